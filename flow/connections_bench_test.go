package flow

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// BenchmarkConnections measures what folding costs a report: of agents that
// send end reports only, as they do by default, and of agents that report each
// connection three times, with a thousand connections open at any time.
func BenchmarkConnections(b *testing.B) {
	var devices, apps [1000]string
	for i := range devices {
		devices[i] = fmt.Sprintf("%040X", i)
		apps[i] = fmt.Sprintf("Application %d", i)
	}
	report := func(rec *Record, conn int, stage Report) {
		var dst [4]byte
		binary.BigEndian.PutUint32(dst[:], uint32(conn)*2654435761)
		start := time.Unix(1600000000+int64(conn/1000), int64(conn)*1e6).UTC()
		*rec = Record{
			Device: devices[conn*7%1000], App: App{Name: apps[conn*13%1000]}, Proto: TCP, Start: start, End: start.Add(time.Second),
			Src: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(conn)), Dst: netip.AddrPortFrom(netip.AddrFrom4(dst), 443),
			Report: stage,
		}
	}
	b.Run("reports=end", func(b *testing.B) {
		b.ReportAllocs()
		var c connections
		var rec Record
		n := 0
		for b.Loop() {
			report(&rec, n, ReportEnd)
			device, hash := c.device(rec.Device)
			c.add(&rec, device, hash)
			n++
		}
	})
	b.Run("reports=start+periodic+end", func(b *testing.B) {
		b.ReportAllocs()
		var c connections
		var rec Record
		n := 0
		for b.Loop() {
			switch stage := n % 3; {
			case stage == 0:
				report(&rec, n/3, ReportStart)
			case n/3 < 1000:
				report(&rec, n/3, ReportPeriodic)
			case stage == 1:
				report(&rec, n/3-500, ReportPeriodic)
			default:
				report(&rec, n/3-1000, ReportEnd)
			}
			device, hash := c.device(rec.Device)
			c.add(&rec, device, hash)
			n++
		}
	})
	b.Run("reports=none", func(b *testing.B) { // what the loop itself costs
		var rec Record
		n := 0
		for b.Loop() {
			report(&rec, n, ReportEnd)
			n++
		}
	})
}
