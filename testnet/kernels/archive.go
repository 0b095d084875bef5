//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
)

// entry is a file or folder of the first file system of a machine.
type entry struct {
	path string // without a leading slash
	mode uint32 // with its kind, as stat has it
	from string // the file to copy; nothing for a folder
}

const (
	kindFolder = 0o040000
	kindFile   = 0o100000
)

// archive writes entries as the kernel wants its first file system
// (Documentation/driver-api/early-userspace/buffer-format.rst, "newc").
func archive(path string, entries []entry) error {
	var b bytes.Buffer
	for i, e := range entries {
		var raw []byte
		if e.from != "" {
			var err error
			if raw, err = os.ReadFile(e.from); err != nil {
				return fmt.Errorf("write the first file system: %w", err)
			}
		}
		put(&b, i+1, e.path, e.mode, raw)
	}
	put(&b, 0, "TRAILER!!!", 0, nil)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write the first file system: %w", err)
	}
	return nil
}

// put writes one entry: a header of a magic and 13 numbers of eight hexadecimal
// digits, the name and the data, both ended on a multiple of four bytes.
func put(b *bytes.Buffer, inode int, name string, mode uint32, data []byte) {
	fmt.Fprintf(b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	b.WriteString(name + "\x00")
	pad(b)
	b.Write(data)
	pad(b)
}

func pad(b *bytes.Buffer) {
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
}
