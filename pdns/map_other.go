//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package pdns

import "os"

// mapFile reads the first bytes of a file.
func mapFile(f *os.File, size int) (*mapping, error) {
	data := make([]byte, size)
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, err
	}
	return &mapping{data: data}, nil
}

// syncDir does nothing: such systems do not let a folder be synchronized.
func syncDir(string) error { return nil }
