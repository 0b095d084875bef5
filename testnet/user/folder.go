package user

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// File is one file of a sample folder.
type File struct {
	Path  string // below the folder
	Bytes int64
}

// Sample makes a folder of files with random contents that no compression or
// deduplication can shorten, the same for the same seed.
func Sample(dir string, seed byte, files []File) error {
	source := rand.NewChaCha8([32]byte{seed})
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		out, err := os.Create(path)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(out, source, f.Bytes); err != nil {
			out.Close()
			return err
		}
		if err := out.Close(); err != nil {
			return err
		}
	}
	return nil
}

// Sums returns the SHA-256 of every file at or below path, by its path below
// it; that of a single file is ".".
func Sums(path string) (map[string]string, error) {
	sums := map[string]string{}
	err := filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(at)
		if err != nil {
			return err
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return err
		}
		rel, err := filepath.Rel(path, at)
		sums[filepath.ToSlash(rel)] = fmt.Sprintf("%x", h.Sum(nil))
		return err
	})
	return sums, err
}
