//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package pdns

import (
	"errors"
	"os"
	"syscall"
)

// mapFile maps the first bytes of a file.
func mapFile(f *os.File, size int) (*mapping, error) {
	if size == 0 {
		return new(mapping), nil
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &mapping{data: data, undo: syscall.Munmap}, nil
}

// syncDir makes the names in a folder last.
func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
