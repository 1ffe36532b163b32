package flowtest

import (
	"bufio"
	"cmp"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// WriteDNS writes what a passive DNS sensor saw on the fleet's network, as
// rows of the Common Output Format (draft-dulaunoy-dnsop-passive-dns-cof), one
// JSON object a line: A, AAAA and CNAME rows of all names, visited or not, and
// rows that an address lookup has no use for. Some owners end with a dot or
// have upper-case letters, some rdata are arrays, and two CNAMEs make a loop.
func (f Fleet) WriteDNS(w io.Writer) error {
	bw := bufio.NewWriterSize(w, 1<<16)
	var buf []byte
	n := 0
	for row := range newWorld(f).rows() {
		buf = append(row.append(buf[:0], n), '\n')
		if _, err := bw.Write(buf); err != nil {
			return err
		}
		n++
	}
	return bw.Flush()
}

// Answers yields which names lead to which addresses, by the rows that WriteDNS
// writes with CNAMEs followed: each address beside each name that a client can
// have asked for, in canonical form, each pair once. Names that only CNAMEs
// lead to are left out.
func (f Fleet) Answers() iter.Seq2[netip.Addr, string] {
	return func(yield func(netip.Addr, string) bool) {
		w := newWorld(f)
		for h := range w.all() {
			for _, v6 := range []bool{false, true} {
				if v6 && !w.dual(h) {
					continue
				}
				for j := range w.addrs(h) {
					if !yield(w.addr(h, j, v6), h.name) {
						return
					}
				}
			}
			if old, ok := w.formerly(h); ok && !yield(w.addr(h, 0, false), old) {
				return
			}
		}
	}
}

// all yields the names that can be asked for.
func (w *world) all() iter.Seq[host] {
	return func(yield func(host) bool) {
		for _, h := range w.hosts {
			if !yield(h) {
				return
			}
		}
		for i := range w.Names {
			if !yield(w.site(i)) {
				return
			}
		}
	}
}

// formerly returns the name that an address had until some days ago.
func (w *world) formerly(h host) (string, bool) {
	if h.hosting != own || h.number < len(w.hosts) || w.OneNamePerAddress || w.hash('f', h.number)%33 > 0 {
		return "", false
	}
	return "old." + h.name, true
}

// A row is one row of the Common Output Format.
type row struct {
	name, kind, data string
	first, last      time.Time
	count            uint64
}

// rows yields the rows, each (name, kind, data) once.
func (w *world) rows() iter.Seq[row] {
	return func(yield func(row) bool) {
		day := w.Start.Add(24 * time.Hour)
		put := func(h host, name, kind, data string) bool {
			x := w.hash('t', h.number)
			return yield(row{name, kind, data, w.Start.Add(-time.Duration(x%(30*24)) * time.Hour), day.Add(-time.Duration(x>>20%3600) * time.Second), 1 + x>>40%1000})
		}
		type edge struct{ network, edge int }
		behind := make(map[edge]host) // edges in use, each with one of its names
		for h := range w.all() {
			name := h.name
			switch h.hosting {
			case cdn:
				network, e := w.edge(h)
				behind[edge{network, e}] = h
				target := edgeName(network, e)
				if w.hash('c', h.number)%2 == 0 {
					between := h.name + ".edge." + networkName(network)
					if !put(h, name, "CNAME", between) {
						return
					}
					name = between
				}
				if !put(h, name, "CNAME", target) {
					return
				}
			default:
				if !w.addresses(h, name, put) {
					return
				}
			}
			if old, ok := w.formerly(h); ok {
				gone := w.Start.Add(-time.Duration(1+w.hash('t', h.number)%20) * 24 * time.Hour)
				if !yield(row{old, "A", w.addr(h, 0, false).String(), gone.Add(-40 * 24 * time.Hour), gone, 3}) {
					return
				}
			}
			if w.hash('n', h.number)%20 == 0 {
				if !put(h, h.name, "TXT", `v=spf1 "-all"`) || !put(h, h.name, "65", `1 . alpn=\"h2\"`) {
					return
				}
			}
		}
		edges := make([]edge, 0, len(behind))
		for e := range behind {
			edges = append(edges, e)
		}
		slices.SortFunc(edges, func(a, b edge) int {
			return cmp.Or(cmp.Compare(a.network, b.network), cmp.Compare(a.edge, b.edge))
		})
		for _, e := range edges {
			if !w.addresses(behind[e], edgeName(e.network, e.edge), put) {
				return
			}
		}
		_ = put(host{}, "loop-a.example", "CNAME", "loop-b.example") &&
			put(host{}, "loop-b.example", "CNAME", "loop-a.example") &&
			put(host{}, "nowhere.example", "CNAME", "gone.example")
	}
}

// addresses puts the A and AAAA rows of a host's addresses under a name. All
// names of an edge lead to all of its addresses.
func (w *world) addresses(h host, name string, put func(h host, name, kind, data string) bool) bool {
	for _, v6 := range []bool{false, true} {
		kind := "A"
		if v6 {
			kind = "AAAA"
			if !w.dual(h) {
				continue
			}
		}
		for j := range w.addrs(h) {
			if !put(h, name, kind, w.addr(h, j, v6).String()) {
				return false
			}
		}
	}
	return true
}

// append appends the n-th row, some of them in the less usual spellings that
// the format allows.
func (r row) append(buf []byte, n int) []byte {
	name := r.name
	if n%5 == 0 {
		name += "."
	}
	if n%17 == 0 {
		name = strings.ToUpper(name)
	}
	buf = append(append(append(buf, `{"rrname":"`...), name...), `","rrtype":`...)
	if kind, err := strconv.Atoi(r.kind); err == nil {
		buf = strconv.AppendInt(buf, int64(kind), 10)
	} else {
		buf = strconv.AppendQuote(buf, r.kind)
	}
	buf = append(buf, `,"rdata":`...)
	array := n%11 == 0
	if array {
		buf = append(buf, '[')
	}
	buf = strconv.AppendQuote(buf, r.data)
	if array {
		buf = append(buf, ']')
	}
	buf = append(buf, `,"time_first":`...)
	buf = strconv.AppendInt(buf, r.first.Unix(), 10)
	buf = append(buf, `,"time_last":`...)
	buf = strconv.AppendInt(buf, r.last.Unix(), 10)
	buf = append(buf, `,"count":`...)
	buf = strconv.AppendUint(buf, r.count, 10)
	return append(buf, '}')
}
