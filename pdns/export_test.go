package pdns

import (
	"encoding/binary"
	"hash/crc32"
)

// FixHeader makes the checksum of a file's header right.
func FixHeader(file []byte) {
	if len(file) >= headerBytes {
		binary.LittleEndian.PutUint32(file[headerBytes-4:], crc32.Checksum(file[:headerBytes-4], castagnoli))
	}
}

// OpenBytes returns the Index that the bytes of a file are.
func OpenBytes(file []byte) (*Index, error) {
	x, err := newIndex(file)
	if err != nil {
		return nil, err
	}
	return x, nil
}
