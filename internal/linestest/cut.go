package linestest

import (
	"io"
	"io/fs"
	"runtime"
	"testing/fstest"
)

// A CutFS gives its files Size bytes at a time, so that they are cut into many
// blocks, and says that they are large, so that many workers read them. After
// each read other workers go first.
type CutFS struct {
	fstest.MapFS
	Size int
	Err  error // at the end of each file, instead of io.EOF; nil leaves it
}

// Stat implements fs.StatFS.
func (c CutFS) Stat(name string) (fs.FileInfo, error) {
	info, err := c.MapFS.Stat(name)
	return largeInfo{info}, err
}

// Open implements fs.FS.
func (c CutFS) Open(name string) (fs.File, error) {
	f, err := c.MapFS.Open(name)
	return cutFile{f, c.Size, c.Err}, err
}

type largeInfo struct{ fs.FileInfo }

func (largeInfo) Size() int64 { return 1 << 30 }

type cutFile struct {
	fs.File
	size int
	err  error
}

func (f cutFile) Read(p []byte) (int, error) {
	runtime.Gosched()
	n, err := f.File.Read(p[:min(len(p), f.size)])
	if err == io.EOF && f.err != nil {
		err = f.err
	}
	return n, err
}
