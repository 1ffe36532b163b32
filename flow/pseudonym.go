package flow

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"hash"
	"strings"
	"sync"
)

// MinKey is the shortest key that a [Pseudonymizer] accepts, in bytes.
const MinKey = 16

// A Pseudonymizer replaces what identifies a device by a keyed hash: the same
// device has the same pseudonym wherever the same key is used, and without the
// key nobody can find out by trial which pseudonym belongs to a host name, as
// anybody could with a plain hash.
//
// Paper: section 2.2 encrypts the machine name, "allowing us to track flows
// associated with the same device". A keyed hash keeps that and cannot be
// reversed.
//
// Each field has a key of its own (HKDF, RFC 5869), so that a device and an
// execution with the same text do not look the same. A Pseudonymizer is safe
// for concurrent use and keeps a table of the devices it has seen.
type Pseudonymizer struct {
	id        string
	device    field
	execution field
}

type field struct {
	key  []byte
	macs sync.Pool
	seen sync.Map // text to pseudonym; for fields with few values
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewPseudonymizer returns a Pseudonymizer for a secret key of at least
// [MinKey] bytes, preferably 32 random ones.
func NewPseudonymizer(key []byte) (*Pseudonymizer, error) {
	if len(key) < MinKey {
		return nil, errors.New("pseudonym key is shorter than 16 bytes")
	}
	p := new(Pseudonymizer)
	for info, dst := range map[string]*[]byte{"flow/device/v1": &p.device.key, "flow/execution/v1": &p.execution.key} {
		k, err := hkdf.Key(sha256.New, key, nil, info, sha256.Size)
		if err != nil {
			return nil, err
		}
		*dst = k
	}
	id, err := hkdf.Key(sha256.New, key, nil, "flow/key-id/v1", 5)
	if err != nil {
		return nil, err
	}
	p.id = base32Lower.EncodeToString(id)
	return p, nil
}

// RandomKey returns a new 32-byte key from the system's source of randomness.
func RandomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// KeyID returns eight letters that name the key and tell nothing about it.
// Pseudonyms can be joined if their key ids are the same.
func (p *Pseudonymizer) KeyID() string { return p.id }

// Device returns the pseudonym of a device: "v1:", the key id, ":", and 128
// bits of HMAC-SHA256 in base32. Letter case does not count, since sources
// differ in it. "" stays "": no device has no pseudonym.
func (p *Pseudonymizer) Device(id string) string {
	if id == "" {
		return ""
	}
	if s, ok := p.device.seen.Load(id); ok {
		return s.(string)
	}
	s := p.pseudonym(&p.device, strings.ToLower(id))
	p.device.seen.Store(strings.Clone(id), s)
	return s
}

// Record returns rec with pseudonyms for Device and Execution and without the
// path of the image, which may name a person (/Users/…).
func (p *Pseudonymizer) Record(rec Record) Record {
	rec.Device = p.Device(rec.Device)
	if rec.Execution != "" {
		rec.Execution = p.pseudonym(&p.execution, rec.Execution)
	}
	rec.App.Path = ""
	return rec
}

func (p *Pseudonymizer) pseudonym(f *field, text string) string {
	mac, ok := f.macs.Get().(hash.Hash)
	if !ok {
		mac = hmac.New(sha256.New, f.key)
	}
	defer f.macs.Put(mac)
	mac.Reset()
	mac.Write([]byte(text))
	var sum [sha256.Size]byte
	return "v1:" + p.id + ":" + base32Lower.EncodeToString(mac.Sum(sum[:0])[:16])
}
