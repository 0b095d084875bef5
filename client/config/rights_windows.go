package config

import "io/fs"

// guarded knows no rights here: the user's profile is what keeps others away.
func guarded(string) error { return nil }

func ownOnly(string, fs.FileInfo) error { return nil }
