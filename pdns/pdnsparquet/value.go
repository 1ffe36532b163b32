package pdnsparquet

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"time"

	"github.com/endoflow/endoflow/pdns"
	"github.com/parquet-go/parquet-go/format"
)

var (
	errNoName = errors.New("no name")
	errType   = errors.New("not a record type")
	errIPv4   = errors.New("not an IPv4 address")
	errIPv6   = errors.New("not an IPv6 address")
	errTime   = errors.New("not a time since 1970")
	errOrder  = errors.New("before time_first")
	errCount  = errors.New("not a count")
	errTTL    = errors.New("not a time to live")
	errMany   = errors.New("more than 4096 answers")
)

// maxAnswers is the most answers of a row; see package pdns.
const maxAnswers = 4096

// otherType stands for every type but A, AAAA and CNAME (65535 is reserved).
// 0 is reserved too, and stands for a type that is not known yet.
const otherType = pdns.Type(65535)

// typeOf returns the type in a value of the column of types.
func typeOf(f *field, t *table, i uint32) (pdns.Type, error) {
	var typ pdns.Type
	if f.width == 0 {
		text := t.bytes(i)
		if len(text) == 0 {
			return 0, errType
		}
		typ, _ = pdns.ParseType(string(text)) // a name that is not known is that of another type
	} else {
		n := t.int(i)
		if n < 0 || n > math.MaxUint16 {
			return 0, errType
		}
		typ = pdns.Type(n)
	}
	if typ != pdns.A && typ != pdns.AAAA && typ != pdns.CNAME {
		typ = otherType
	}
	return typ, nil
}

// addrOf returns the address in the data of an A or AAAA record: its text or,
// in a column that is not marked as text, its 4 or 16 bytes. No text of an IPv4
// address has 4 bytes. Of an IPv6 address's 16 bytes those that are text are
// within 2000::/3 all in 3030::/12, which is not assigned.
func addrOf(f *field, typ pdns.Type, data []byte) (netip.Addr, error) {
	if f.binary {
		if typ == pdns.A && len(data) == 4 {
			return netip.AddrFrom4([4]byte(data)), nil
		}
		if typ == pdns.AAAA && len(data) == 16 && (f.width == 16 || !isAddrText(data)) {
			return netip.AddrFrom16([16]byte(data)), nil
		}
	}
	if typ == pdns.A {
		addr, ok := parseIPv4(data)
		if !ok {
			return netip.Addr{}, errIPv4
		}
		return addr, nil
	}
	addr, err := netip.ParseAddr(string(data))
	if err != nil || !addr.Is6() {
		return netip.Addr{}, errIPv6
	}
	return addr.WithZone(""), nil
}

func isAddrText(data []byte) bool {
	_, err := netip.ParseAddr(string(data))
	return err == nil
}

// parseIPv4 does what netip.ParseAddr does for IPv4, of bytes and without an
// allocation: four numbers up to 255, without leading zeros.
func parseIPv4(text []byte) (addr netip.Addr, ok bool) {
	var octets [4]byte
	i := 0
	for n := range octets {
		if n > 0 {
			if i >= len(text) || text[i] != '.' {
				return addr, false
			}
			i++
		}
		if i >= len(text) || text[i]-'0' > 9 {
			return addr, false
		}
		v := uint(text[i] - '0')
		i++
		for v > 0 && i < len(text) && text[i]-'0' <= 9 {
			if v = 10*v + uint(text[i]-'0'); v > 255 {
				return addr, false
			}
			i++
		}
		octets[n] = byte(v)
	}
	return netip.AddrFrom4(octets), i == len(text)
}

// maxMicro is the end of the year 9999, in microseconds since 1970.
const maxMicro = 253_402_300_799_999_999

// timeOf returns the time in a value.
func timeOf(f *field, t *table, i uint32) (time.Time, error) {
	var micro int64
	switch f.kind {
	case format.Int96:
		b := t.bytes(i)
		days := int64(int32(binary.LittleEndian.Uint32(b[8:]))) - 2_440_588 // the Julian day of 1970-01-01
		nanos := int64(binary.LittleEndian.Uint64(b))
		if days < 0 || days > maxMicro/86_400_000_000 || nanos < 0 || nanos >= 86_400_000_000_000 {
			return time.Time{}, errTime
		}
		micro = days*86_400_000_000 + nanos/1000
	case format.Int32, format.Int64:
		n := t.int(i)
		if f.unsigned && f.kind == format.Int32 {
			n = int64(uint32(n))
		}
		switch {
		case n < 0:
			return time.Time{}, errTime
		case f.unit == 1e9:
			micro = n / 1000
		default:
			factor := int64(1e6) / max(f.unit, 1)
			if f.unit < 0 {
				factor = -f.unit * 1e6
			}
			if n > maxMicro/factor {
				return time.Time{}, errTime
			}
			micro = n * factor
		}
	default:
		x := math.Round(t.float(i) * 1e6 / float64(f.unit))
		if !(x >= 0 && x <= maxMicro) {
			return time.Time{}, errTime
		}
		micro = int64(x)
	}
	if micro > maxMicro {
		return time.Time{}, errTime
	}
	return time.UnixMicro(micro).UTC(), nil
}

// countOf returns the count in a value. DuckDB writes its sums as DOUBLE.
func countOf(f *field, t *table, i uint32) (uint64, error) {
	if f.kind == format.Float || f.kind == format.Double {
		x := t.float(i)
		if !(x >= 0 && x < 1<<63 && x == math.Trunc(x)) {
			return 0, errCount
		}
		return uint64(x), nil
	}
	n := t.int(i)
	switch {
	case n >= 0 || f.unsigned && f.kind == format.Int64:
		return uint64(n), nil
	case f.unsigned:
		return uint64(uint32(n)), nil
	}
	return 0, errCount
}

// ttlOf returns the time to live in a value, in seconds of 32 bits
// (RFC 1035 4.1.3).
func ttlOf(f *field, t *table, i uint32) (time.Duration, error) {
	if f.kind == format.Int32 || f.kind == format.Int64 {
		n := t.int(i)
		if f.unsigned && f.kind == format.Int32 {
			n = int64(uint32(n))
		}
		if n < 0 || n > math.MaxUint32 {
			return 0, errTTL
		}
		return time.Duration(n) * time.Second, nil
	}
	s := t.float(i)
	if !(s >= 0 && s <= math.MaxUint32) {
		return 0, errTTL
	}
	return time.Duration(math.Round(s*1e6)) * time.Microsecond, nil
}
