package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// An output is the files that are written. They stand under temporary names beside
// their own until all are whole.
type output []outputFile

type outputFile struct {
	*os.File
	name string // "": the file has its name, since it is a device or a pipe
}

// create makes a file to write to. What is there and is no file of bytes, such as
// /dev/null, is written to as it is.
func (o *output) create(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err == nil && info.IsDir() {
		return nil, &fs.PathError{Op: "write", Path: name, Err: errors.New("is a folder")}
	}
	if err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			*o = append(*o, outputFile{File: f})
		}
		return f, err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".unfinished-*")
	if err == nil {
		*o = append(*o, outputFile{f, name})
	}
	return f, err
}

// finish gives the files their names.
func (o *output) finish() error {
	for _, f := range *o {
		if f.name == "" {
			if err := f.Close(); err != nil {
				return err
			}
			continue
		}
		if err := errors.Join(f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	for len(*o) > 0 {
		if f := (*o)[0]; f.name != "" {
			if err := os.Rename(f.Name(), f.name); err != nil {
				return err
			}
		}
		*o = (*o)[1:]
	}
	return nil
}

// discard removes the files that have not got their names.
func (o *output) discard() {
	for _, f := range *o {
		f.Close()
		if f.name != "" {
			os.Remove(f.Name())
		}
	}
}
