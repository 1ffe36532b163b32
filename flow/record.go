package flow

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// A Record is one Flow Record (RFC 7011): one connection of one application on
// one device, as the device's sensor wrote it down. It is a plain value that
// shares nothing with the input and is safe to keep and to compare.
type Record struct {
	// Start and End are in UTC. End is zero where the sensor reports the
	// opening only (Sysmon, WFP).
	Start, End time.Time

	// Device is the sensor's stable identifier of the device: NVM's udid, the
	// computer name of a Windows event, the originating host of a Zeek log. ""
	// is no device: such a record belongs to no device set.
	Device string

	OS  OS
	App App

	// Execution identifies one run of the process (NVM puid, Sysmon
	// ProcessGuid); "" where the sensor does not say.
	Execution string

	Proto Proto

	// Src and Dst are the two ends as recorded; nothing is claimed about who
	// opened the connection. Addresses are unmapped (RFC 4291 2.5.5.2) and
	// have no zone.
	Src, Dst netip.AddrPort

	// TxBytes were sent and RxBytes received by the device, in the sensor's
	// own count: NVM and Zeek count payload above TCP and UDP.
	TxBytes, RxBytes uint64

	// DstName is the destination's host name where the sensor itself saw one
	// (NVM dh or hh), in the form of [CanonicalName].
	DstName string

	// Native is what the sensor itself says of the direction.
	Native Native

	// Report says which report of the connection this is; see [Reader].
	Report Report

	// Null names the fields that records of this format carry and this one
	// lacks.
	Null Null
}

// An App names the program of a process.
type App struct {
	Name   string // base name of the image, as recorded
	Path   string // of the image; "" if not recorded
	SHA256 [32]byte
	Parent string // base name of the parent's image
}

// HasSHA256 reports whether the image's hash is known.
func (a App) HasSHA256() bool { return a.SHA256 != [32]byte{} }

// HashString returns the image's SHA-256 in lower-case hexadecimal, or "".
func (a App) HashString() string {
	if !a.HasSHA256() {
		return ""
	}
	return hex.EncodeToString(a.SHA256[:])
}

// An OS is a family of operating systems.
type OS uint8

// The families. Unknown is the zero value.
const (
	OSUnknown OS = iota
	MacOS
	Windows
	Linux
)

var osNames = [...]string{"unknown", "macos", "windows", "linux"}

func (o OS) String() string {
	if int(o) < len(osNames) {
		return osNames[o]
	}
	return fmt.Sprintf("OS(%d)", uint8(o))
}

// ParseOS returns the family that String writes; ok is false for another text.
func ParseOS(s string) (o OS, ok bool) {
	for i, name := range osNames {
		if s == name {
			return OS(i), true
		}
	}
	return OSUnknown, false
}

// OSFamily returns the family that a sensor's name for an operating system
// belongs to: NVM's osn ("WinNT"), osquery's platform ("darwin"), and product
// names ("macOS 10.15", "Mac OS X", "Windows 10 Enterprise", "Ubuntu").
//
// Paper: section 2.2 labels records "with the OS family (Windows or MacOS)";
// how is not told.
func OSFamily(name string) OS {
	name = strings.ToLower(name)
	switch {
	case strings.Contains(name, "mac"), strings.Contains(name, "darwin"), strings.Contains(name, "os x"):
		return MacOS
	case strings.HasPrefix(name, "win"), strings.Contains(name, "windows"):
		return Windows
	}
	for _, linux := range []string{"linux", "ubuntu", "debian", "rhel", "red hat", "centos", "fedora", "suse", "rocky", "alma"} {
		if strings.Contains(name, linux) {
			return Linux
		}
	}
	return OSUnknown
}

// A Proto is an IP protocol number (IANA, IPFIX protocolIdentifier).
type Proto uint8

// The protocols that sensors name.
const (
	ICMP   Proto = 1
	TCP    Proto = 6
	UDP    Proto = 17
	ICMPv6 Proto = 58
	SCTP   Proto = 132
)

// String returns the protocol's name in lower case, or its number.
func (p Proto) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMPv6:
		return "icmp6"
	case SCTP:
		return "sctp"
	}
	return strconv.Itoa(int(p))
}

// ParseProto returns the protocol of a name or number.
func ParseProto(s string) (p Proto, ok bool) {
	switch strings.ToLower(s) {
	case "tcp":
		return TCP, true
	case "udp":
		return UDP, true
	case "icmp":
		return ICMP, true
	case "icmp6":
		return ICMPv6, true
	case "sctp":
		return SCTP, true
	}
	n, err := strconv.ParseUint(s, 10, 8)
	return Proto(n), err == nil
}

// Native is what a sensor says of a flow's direction on its own evidence: the
// handshake it saw, or the networks it was told are local.
type Native uint8

// The sensor's words: NVM fd 1, Sysmon Initiated=true, WFP "%%14593" and Zeek
// local_orig without local_resp are Out; their opposites are In. Only Zeek,
// which sees a network and not a device, says Local (both ends) and Transit
// (neither).
const (
	NativeUnknown Native = iota
	NativeOut
	NativeIn
	NativeLocal
	NativeTransit
)

var nativeNames = [...]string{"unknown", "out", "in", "local", "transit"}

func (n Native) String() string {
	if int(n) < len(nativeNames) {
		return nativeNames[n]
	}
	return fmt.Sprintf("Native(%d)", uint8(n))
}

// Report is the place of a record among the reports of its connection.
// Counters are cumulative over them.
type Report uint8

// NVM's stages (fsg 0, 1, 2). A sensor that reports each connection once
// leaves ReportOnly.
const (
	ReportOnly Report = iota
	ReportStart
	ReportPeriodic
	ReportEnd
)

var reportNames = [...]string{"only", "start", "periodic", "end"}

func (r Report) String() string {
	if int(r) < len(reportNames) {
		return reportNames[r]
	}
	return fmt.Sprintf("Report(%d)", uint8(r))
}

// Null is a set of fields that a record should carry and lacks: absent, or one
// of the texts that sensors write for nothing ("", "”", "-", "Unknown",
// "NULL").
//
// Paper: section 2.2 removes "NULL records" without saying which they are.
// Removal is not random: an NVM agent has no process yet for UDP that arrives
// before the first answer, so that listeners lose the most (method.md D.1).
type Null uint8

// The fields.
const (
	NullDevice Null = 1 << iota
	NullApp
	NullSrc
	NullDst
	NullProto
)

var nullNames = [...]string{"device", "app", "src", "dst", "proto"}

// String lists the fields, joined by "+"; none is "".
func (n Null) String() string {
	var names []string
	for i, name := range nullNames {
		if n&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// CanonicalName returns a host name in the one form that is compared: lower
// case, no final dot. It returns "" for texts that stand for nothing.
func CanonicalName(name string) string {
	if isNull(name) {
		return ""
	}
	name = strings.TrimRight(strings.ToLower(name), ".")
	if isNull(name) {
		return ""
	}
	return name
}

// isNull reports whether a field's text stands for nothing.
func isNull(s string) bool {
	switch s {
	case "", "''", "-", "Unknown", "NULL", "null", "N/A":
		return true
	}
	return false
}
