package classify

import (
	"fmt"

	"github.com/endoflow/endoflow/flow"
)

// Security is what a port says of the security of what is sent to it.
//
// It is a statement about the registered use of the port and not about the
// flow: anything can listen on 443, and an opportunistic upgrade may not have
// happened. Nothing here is derived from payload, which flow records do not
// have (paper, section 2.1).
type Security uint8

// The classes.
const (
	SecurityUnknown Security = iota // the port is not in the table
	Encrypted                       // the service is only defined over TLS, DTLS, SSH or QUIC
	Cleartext                       // the service is defined without encryption
	Upgradable                      // begins in clear and may switch to TLS (STARTTLS), or either
)

var securityNames = [...]string{"unknown", "encrypted", "cleartext", "upgradable"}

func (s Security) String() string {
	if int(s) < len(securityNames) {
		return securityNames[s]
	}
	return fmt.Sprintf("Security(%d)", uint8(s))
}

// A Service is the registered use of a port.
type Service struct {
	Name     string // as in the IANA service name registry
	Security Security
	Source   string // the document that says so
}

type portKey struct {
	proto flow.Proto
	port  uint16
}

var services = map[portKey]Service{
	{flow.TCP, 20}:   {"ftp-data", Cleartext, "RFC 959"},
	{flow.TCP, 21}:   {"ftp", Upgradable, "RFC 959, RFC 4217"},
	{flow.TCP, 22}:   {"ssh", Encrypted, "RFC 4253"},
	{flow.TCP, 23}:   {"telnet", Cleartext, "RFC 854"},
	{flow.TCP, 25}:   {"smtp", Upgradable, "RFC 5321, RFC 3207"},
	{flow.TCP, 53}:   {"domain", Cleartext, "RFC 1035"},
	{flow.UDP, 53}:   {"domain", Cleartext, "RFC 1035"},
	{flow.UDP, 67}:   {"bootps", Cleartext, "RFC 2131"},
	{flow.TCP, 80}:   {"http", Cleartext, "RFC 9110"},
	{flow.TCP, 88}:   {"kerberos", Upgradable, "RFC 4120"},
	{flow.UDP, 88}:   {"kerberos", Upgradable, "RFC 4120"},
	{flow.TCP, 110}:  {"pop3", Upgradable, "RFC 1939, RFC 2595"},
	{flow.UDP, 123}:  {"ntp", Cleartext, "RFC 5905"},
	{flow.TCP, 143}:  {"imap", Upgradable, "RFC 9051"},
	{flow.UDP, 161}:  {"snmp", Upgradable, "RFC 3411, RFC 3414"},
	{flow.TCP, 389}:  {"ldap", Upgradable, "RFC 4511"},
	{flow.UDP, 389}:  {"ldap", Cleartext, "RFC 1798"},
	{flow.TCP, 443}:  {"https", Encrypted, "RFC 9110"},
	{flow.UDP, 443}:  {"https", Encrypted, "RFC 9114"},
	{flow.TCP, 465}:  {"submissions", Encrypted, "RFC 8314"},
	{flow.UDP, 514}:  {"syslog", Cleartext, "RFC 5426"},
	{flow.TCP, 587}:  {"submission", Upgradable, "RFC 6409, RFC 3207"},
	{flow.TCP, 636}:  {"ldaps", Encrypted, "IANA service name registry"},
	{flow.TCP, 853}:  {"domain-s", Encrypted, "RFC 7858"},
	{flow.UDP, 853}:  {"domain-s", Encrypted, "RFC 9250"},
	{flow.TCP, 993}:  {"imaps", Encrypted, "RFC 8314"},
	{flow.TCP, 995}:  {"pop3s", Encrypted, "RFC 8314"},
	{flow.UDP, 1900}: {"ssdp", Cleartext, "IANA service name registry"},
	{flow.UDP, 5353}: {"mdns", Cleartext, "RFC 6762"},
	{flow.TCP, 6514}: {"syslog-tls", Encrypted, "RFC 5425"},
}

// ServiceOf returns the registered use of a port, the zero Service where the
// table has none.
func ServiceOf(proto flow.Proto, port uint16) Service { return services[portKey{proto, port}] }
