package pdns

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"

	"github.com/endoflow/endoflow/internal/dense"
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

// BytesRead returns how many bytes of an image a lookup of an address reads: a
// block of the filter, lines as far as that of the address, its rest if that is not
// there, and where its names are.
func BytesRead(x *Index, addr netip.Addr) int {
	key := dense.AddrKey(addr)
	hash := hashAddr(key)
	n := bloomLine
	if !x.mayContain(hash) {
		return n
	}
	n += lineBytes
	if r := new(record); x.find(key, r) {
		n += int(r.off/lineBytes-placeOf(hash, x.header.homes))*lineBytes + int(r.moreEnd-r.more) + r.num()*endBytes
	}
	return n
}
