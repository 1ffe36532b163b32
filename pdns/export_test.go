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
// block of the filter, a place, the records of the place as far as that of the
// address, and where its names are.
func BytesRead(x *Index, addr netip.Addr) int {
	key := dense.AddrKey(addr)
	hash := hashAddr(key)
	n := bloomLine
	if !x.mayContain(hash) {
		return n
	}
	at := placeOf(hash, numPlaces(x.header.records)) * placeBytes
	n += 2 * placeBytes
	if r := new(record); x.find(key, r) {
		n += int(r.end-get40(x.places[at:])) + r.num()*endBytes
	}
	return n
}
