package library

import (
	"errors"

	"golang.org/x/sys/windows"
)

func spaceOf(folder string) (free, total int64, err error) {
	p, err := windows.UTF16PtrFromString(folder)
	if err != nil {
		return 0, 0, err
	}
	var mine, all, any uint64
	if err := windows.GetDiskFreeSpaceEx(p, &mine, &all, &any); err != nil {
		return 0, 0, err
	}
	return int64(mine), int64(all), nil
}

func anotherDisk(err error) bool { return errors.Is(err, windows.ERROR_NOT_SAME_DEVICE) }

// syncFolder does nothing: names are on the disk when a rename returns.
func syncFolder(string) error { return nil }
