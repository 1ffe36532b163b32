package pdns

import (
	"fmt"
	"math"
	"os"
	"sync"
	"sync/atomic"
)

// Open opens the file of an index, which [Builder.WriteFile] has written. It
// takes milliseconds however large the file is, since only its header is read and
// checked; [Index.Verify] checks the rest. The file is mapped into memory where
// the system can, and must not be changed while it is open; replacing it, as
// WriteFile does, leaves the open one as it is. Elsewhere it is read.
//
// A file that is no such file, or of another version, or has not the size that it
// should have, is a *[FormatError].
func Open(name string) (*Index, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return open(f, name)
}

func open(f *os.File, name string) (*Index, error) {
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", name)
	case info.Size() > math.MaxInt:
		return nil, fmt.Errorf("%s: too large for this system", name)
	}
	mapped, err := mapFile(f, int(info.Size()))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	x, fe := newIndex(mapped.data)
	if fe != nil {
		fe.Name = name
		mapped.close()
		return nil, fe
	}
	x.name, x.mapping = name, mapped
	return x, nil
}

// newIndex returns the Index that the bytes of a file are.
func newIndex(file []byte) (*Index, *FormatError) {
	h, err := parseHeader(file[:min(len(file), headerBytes)], uint64(len(file)))
	if err != nil {
		return nil, err
	}
	section := func(i int) []byte {
		s := h.sections[i]
		return file[s.off:][:s.size:s.size]
	}
	return &Index{
		header: &h, file: file,
		ends: section(secEnds), fileText: section(secText),
		lines: section(secLines), more: section(secMore), bloom: section(secBloom),
	}, nil
}

// Close gives up the file of an Index, for all of its views. None of them may be
// in use, nor be used again. An Index in memory has nothing to give up, and may be
// closed or not.
func (x *Index) Close() error {
	if x.mapping == nil {
		return nil
	}
	return x.mapping.close()
}

// A mapping is a file in memory.
type mapping struct {
	data  []byte
	once  sync.Once
	err   error
	undo  func([]byte) error
	reads atomic.Uint32
}

// forgetAfter is how many look-ups a mapping remembers: the memory of what they
// read is the process's own until it is given back, and a process with a limit
// would end up with the whole file. Of 5 M addresses, a hit by numbers takes 380 ns,
// where one of an index in memory takes 330, and a miss 100 to 150, where that takes
// 85 (BenchmarkLookup, 2 vCPU AMD EPYC).
const forgetAfter = 1 << 18

// read counts a look-up.
func (m *mapping) read() {
	if m.undo != nil && m.reads.Add(1)%forgetAfter == 0 {
		forget(m.data)
	}
}

func (m *mapping) close() error {
	m.once.Do(func() {
		if m.undo != nil {
			m.err = m.undo(m.data)
		}
		m.data = nil
	})
	return m.err
}
