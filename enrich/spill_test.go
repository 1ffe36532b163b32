package enrich

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"testing"

	"github.com/endoflow/endoflow/flow"
	"github.com/endoflow/endoflow/internal/dense"
)

// FuzzRun reads blocks that are not damaged, and say anything.
func FuzzRun(f *testing.F) {
	key := dense.Key{Hi: 0x2600 << 48, Lo: 1}.Bytes()
	valid := append([]byte{0}, key[:]...)
	valid = append(valid, 0, 6, 0xbb, 1, 0, 1, 2, 3, 2, 0, 1)     // of the devices 0 and 1
	valid = append(valid, 15, 2, 1, 6, 0xbb, 1, 2, 1, 2, 3, 1, 1) // of the second device, which owns it
	f.Add(valid, uint8(1))
	f.Add(valid[:20], uint8(40))
	f.Add([]byte{17}, uint8(0))
	file, err := os.CreateTemp(f.TempDir(), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { file.Close() })
	f.Fuzz(func(t *testing.T, data []byte, cut uint8) {
		var blocks []byte
		for _, block := range [][]byte{data[:min(int(cut), len(data))], data[min(int(cut), len(data)):]} {
			if len(block) > 0 {
				blocks = binary.LittleEndian.AppendUint32(blocks, uint32(len(block)))
				blocks = binary.LittleEndian.AppendUint32(blocks, crc32.Checksum(block, castagnoli))
				blocks = append(blocks, block...)
			}
		}
		if _, err := file.WriteAt(blocks, 0); err != nil {
			t.Fatal(err)
		}
		var c Contacts
		for _, device := range []string{"a", "b", "c"} {
			c.devices.id(device)
		}
		c.apps.id("x")
		r := run{file: &scratch{File: file}, sections: map[uint32]bounds{0: {0, int64(len(blocks))}}, numDevices: 3}
		if cut%2 == 1 {
			r.resolve([]flow.OS{flow.MacOS, flow.Linux, flow.Windows})
		}
		r.translate([]uint32{0}, []uint32{2, 1, 0})
		c.runs = []run{r}
		c.prepare()
		var last dense.Key
		err := newReader(&c).each(0, func(addr dense.Key, _ uint32, contacts []contact) error {
			if addr.Compare(last) < 0 || len(contacts) == 0 {
				t.Errorf("%d contacts of %v after %v", len(contacts), addr, last)
			}
			last = addr
			for _, k := range contacts {
				if k.detail.owner() > 3 {
					t.Errorf("owner %d", k.detail.owner())
				}
				for _, device := range k.devices {
					if device > 2 {
						t.Errorf("device %d", device)
					}
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
	})
}
