package flowtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/endoflow/endoflow/flow"
)

// An app is an application that devices of one system may have.
type app struct {
	name       string
	path       string // of its folder
	parent     string
	os         flow.OS
	prevalence float64 // share of the system's devices that run it
	user       float64 // how often its user picks it to connect, against others
	browser    bool    // signs in through the company, uses QUIC
	runs       int     // executions in a day, at most
	services   []service

	sha256 [2][32]byte // of its two versions
	hashes [2]string   // the same as NVM writes them
	above  string      // the parent's
}

// A service is what an application connects to by itself.
type service struct {
	name    string // asked of the DNS; "" for a group and for a listener
	host    int    // its place in world.hosts
	port    uint16
	proto   flow.Proto
	hosting hosting
	perHour float64 // connections; 0: one at the beginning of each execution
}

// A hosting says where a name's addresses are.
type hosting uint8

const (
	own      hosting = iota // one address, of this name alone
	balanced                // several addresses, of this name alone
	cdn                     // addresses of many names, behind CNAMEs
	shared                  // addresses of many names, without a CNAME
	company                 // a private address of the company's
	group                   // a multicast address; no name
	listener                // the application is the one connected to; no name
)

func start(name string, port uint16, proto flow.Proto, where hosting) service {
	return service{name: name, port: port, proto: proto, hosting: where}
}

func hourly(times float64, name string, port uint16, proto flow.Proto, where hosting) service {
	return service{name: name, port: port, proto: proto, hosting: where, perHour: times}
}

const daily = 1.0 / 24

// signOn is the environment's endpoint, which browsers of every kind touch.
const signOn = "sso.corp.example"

// catalogue returns the applications by hand and, up to n for a system, made-up
// ones that become ever rarer.
func catalogue(seed uint64, n int) []app {
	tcp, udp := flow.TCP, flow.UDP
	const system, apps, office = "/usr/libexec/", "/Applications/", "/Applications/Microsoft "
	mac := []app{
		{name: "mDNSResponder", path: "/usr/sbin/", prevalence: 1, runs: 1, services: []service{
			hourly(1.5, "dns.corp.example", 53, udp, company), hourly(.5, "", 5353, udp, group)}},
		{name: "softwareupdated", path: "/System/Library/CoreServices/Software Update.app/Contents/Resources/", prevalence: .97, runs: 1, services: []service{
			start("gdmf.os.example", 443, tcp, balanced), hourly(daily, "swscan.os.example", 443, tcp, cdn), hourly(daily, "swcdn.os.example", 80, tcp, cdn)}},
		{name: "trustd", path: system, prevalence: .99, runs: 1, services: []service{
			hourly(1, "ocsp.pki.example", 80, tcp, cdn), hourly(daily, "crl.pki.example", 80, tcp, cdn), start("valid.os.example", 443, tcp, cdn)}},
		{name: "apsd", path: "/System/Library/PrivateFrameworks/ApplePushService.framework/", prevalence: .98, runs: 2, services: []service{
			start("courier.push.example", 5223, tcp, balanced), hourly(.1, "init.push.example", 80, tcp, cdn)}},
		{name: "mdmclient", path: system, prevalence: .95, runs: 1, services: []service{
			hourly(.3, "mdm.corp.example", 443, tcp, own), hourly(daily, "enroll.mdm.example", 8080, tcp, own)}},
		{name: "timed", path: system, prevalence: .97, runs: 1, services: []service{hourly(.25, "time.os.example", 123, udp, balanced)}},
		{name: "opendirectoryd", path: system, prevalence: .8, runs: 1, services: []service{hourly(.8, "ad.corp.example", 389, tcp, company)}},
		{name: "nsurlsessiond", path: system, prevalence: .96, runs: 1, user: .4, services: []service{hourly(.5, "bag.os.example", 443, tcp, cdn)}},
		{name: "cloudd", path: "/System/Library/PrivateFrameworks/CloudKitDaemon.framework/Support/", prevalence: .85, runs: 2, services: []service{
			start("gateway.cloud.example", 443, tcp, balanced), hourly(1, "content.cloud.example", 443, tcp, cdn)}},
		{name: "rapportd", path: system, prevalence: .7, runs: 1, services: []service{hourly(.25, "", 49200, tcp, listener), hourly(.2, "", 5353, udp, group)}},
		{name: "screensharingd", path: system, prevalence: .12, runs: 1, services: []service{hourly(.3, "", 5900, tcp, listener)}},
		{name: "Google Chrome Helper", path: apps + "Google Chrome.app/Contents/Frameworks/", prevalence: .85, runs: 2, user: 5, browser: true, services: []service{
			start("update.browser.example", 443, tcp, balanced), hourly(.5, "safelist.browser.example", 443, tcp, shared), hourly(.2, "variations.browser.example", 443, udp, shared)}},
		{name: "com.apple.WebKit.Networking", path: "/System/Library/Frameworks/WebKit.framework/", prevalence: .7, runs: 3, user: 2, browser: true, services: []service{
			start("configuration.os.example", 443, tcp, cdn)}},
		{name: "firefox", path: apps + "Firefox.app/Contents/MacOS/", prevalence: .22, runs: 2, user: 3, browser: true, services: []service{
			start("settings.fox.example", 443, tcp, own), start("detectportal.fox.example", 80, tcp, cdn)}},
		{name: "Microsoft Word", path: office + "Word.app/Contents/MacOS/", prevalence: .74, runs: 3, user: .2, services: []service{
			start("updates.word.example", 443, tcp, cdn), start("config.office.example", 443, tcp, balanced), hourly(.5, "nexus.office.example", 443, tcp, cdn), hourly(daily, "fonts.word.example", 80, tcp, own)}},
		{name: "Microsoft Excel", path: office + "Excel.app/Contents/MacOS/", prevalence: .7, runs: 3, user: .1, services: []service{
			start("config.office.example", 443, tcp, balanced), hourly(.5, "nexus.office.example", 443, tcp, cdn)}},
		{name: "Microsoft Outlook", path: office + "Outlook.app/Contents/MacOS/", prevalence: .8, runs: 1, user: .8, services: []service{
			hourly(3, "mail.office.example", 443, tcp, balanced), start("config.office.example", 443, tcp, balanced), hourly(.3, "autodiscover.corp.example", 443, tcp, own)}},
		{name: "Microsoft AutoUpdate", path: "/Library/Application Support/Microsoft/MAU2.0/", prevalence: .81, runs: 1, services: []service{hourly(2*daily, "mau.office.example", 443, tcp, cdn)}},
		{name: "Slack", path: apps + "Slack.app/Contents/MacOS/", prevalence: .6, runs: 1, user: .5, services: []service{
			start("wss.chat.example", 443, tcp, balanced), hourly(.5, "files.chat.example", 443, tcp, cdn)}},
		{name: "zoom.us", path: apps + "zoom.us.app/Contents/MacOS/", prevalence: .5, runs: 2, services: []service{
			start("web.meet.example", 443, tcp, own), start("media.meet.example", 8801, udp, balanced)}},
		{name: "vpnagentd", path: "/opt/vpn/bin/", prevalence: .99, runs: 1, services: []service{start("gate.corp.example", 443, udp, own)}},
		{name: "osqueryd", path: "/usr/local/bin/", prevalence: .9, runs: 1, services: []service{hourly(.5, "fleet.corp.example", 443, tcp, own)}},
		{name: "Dropbox", path: apps + "Dropbox.app/Contents/MacOS/", prevalence: .15, runs: 1, services: []service{start("client.box.example", 443, tcp, own), hourly(1, "block.box.example", 443, tcp, shared), hourly(.3, "", 17500, udp, group)}},
		{name: "Spotify", path: apps + "Spotify.app/Contents/MacOS/", prevalence: .2, runs: 2, user: .3, services: []service{start("ap.music.example", 4070, tcp, balanced), hourly(2, "audio.music.example", 443, tcp, cdn)}},
		{name: "LegacySync", path: apps + "LegacySync.app/Contents/MacOS/", prevalence: .08, runs: 1, services: []service{hourly(.5, "ftp.sync.example", 21, tcp, own), start("licence.sync.example", 80, tcp, own)}},
		{name: "Übersicht", path: apps + "Übersicht.app/Contents/MacOS/", prevalence: .06, runs: 1, user: .1, services: []service{hourly(1, "wetter.widget.example", 80, tcp, shared)}},
		{name: "微信", path: apps + "WeChat.app/Contents/MacOS/", prevalence: .04, runs: 1, services: []service{start("long.talk.example", 8080, tcp, balanced)}},
		{name: "<script>alert(1)</script>", path: apps + "Quiz & \"Co\".app/", prevalence: .12, runs: 1, services: []service{start("quiz.game.example", 443, tcp, own)}},
		{name: "ssh", path: "/usr/bin/", prevalence: .3, runs: 3, user: .05, services: []service{hourly(.2, "build.corp.example", 22, tcp, company)}},
		{name: "Finder", path: "/System/Library/CoreServices/", prevalence: .6, runs: 1, services: []service{hourly(.4, "files.corp.example", 445, tcp, company)}},
	}
	windows := []app{
		{name: "svchost.exe", path: `C:\Windows\System32\`, parent: "services.exe", prevalence: 1, runs: 1, services: []service{
			hourly(1.5, "dns.corp.example", 53, udp, company), hourly(.5, "", 1900, udp, group), hourly(.5, "update.win.example", 443, tcp, cdn), hourly(.2, "tile.win.example", 80, tcp, cdn)}},
		{name: "lsass.exe", path: `C:\Windows\System32\`, parent: "wininit.exe", prevalence: 1, runs: 1, services: []service{hourly(.8, "ad.corp.example", 88, tcp, company), hourly(.5, "ad.corp.example", 389, tcp, company)}},
		{name: "chrome.exe", path: `C:\Program Files\Google\Chrome\`, prevalence: .8, runs: 2, user: 5, browser: true, services: []service{start("update.browser.example", 443, tcp, balanced)}},
		{name: "WINWORD.EXE", path: `C:\Program Files\Office\`, prevalence: .8, runs: 3, user: .2, services: []service{start("config.office.example", 443, tcp, balanced), start("updates.word.example", 443, tcp, cdn)}},
		{name: "OUTLOOK.EXE", path: `C:\Program Files\Office\`, prevalence: .85, runs: 1, user: .8, services: []service{hourly(3, "mail.office.example", 443, tcp, balanced)}},
		{name: "System", parent: "", prevalence: 1, runs: 1, services: []service{hourly(.4, "files.corp.example", 445, tcp, company), hourly(.1, "", 445, tcp, listener)}},
	}
	linux := []app{
		{name: "systemd-resolved", path: "/usr/lib/systemd/", parent: "systemd", prevalence: 1, runs: 1, services: []service{hourly(1.5, "dns.corp.example", 53, udp, company)}},
		{name: "chrome", path: "/opt/google/chrome/", prevalence: .8, runs: 2, user: 5, browser: true, services: []service{start("update.browser.example", 443, tcp, balanced)}},
		{name: "apt", path: "/usr/lib/apt/methods/", parent: "apt-get", prevalence: .9, runs: 1, services: []service{hourly(2*daily, "archive.dist.example", 80, tcp, balanced)}},
		{name: "sshd", path: "/usr/sbin/", parent: "systemd", prevalence: .9, runs: 1, services: []service{hourly(.3, "", 22, tcp, listener)}},
	}

	var all []app
	for _, s := range []struct {
		os     flow.OS
		parent string
		apps   []app
	}{{flow.MacOS, "launchd", mac}, {flow.Windows, "explorer.exe", windows}, {flow.Linux, "bash", linux}} {
		for i := len(s.apps); i < n; i++ {
			s.apps = append(s.apps, madeUp(seed, i, s.os))
		}
		for _, a := range s.apps {
			a.os = s.os
			if a.parent == "" {
				a.parent = s.parent
			}
			if a.browser {
				a.services = append(a.services, start(signOn, 443, flow.TCP, own))
			}
			for v := range a.sha256 {
				a.sha256[v], a.hashes[v] = imageHash(a.name, s.os, v)
			}
			_, a.above = imageHash(a.parent, s.os, 0)
			all = append(all, a)
		}
	}
	return all
}

// imageHash returns the SHA-256 of an image, and as NVM writes it.
func imageHash(name string, os flow.OS, version int) ([32]byte, string) {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %v version %d", name, os, version))
	return sum, strings.ToUpper(hex.EncodeToString(sum[:]))
}

// madeUp returns the i-th application of no name.
func madeUp(seed uint64, i int, os flow.OS) app {
	r := rand.New(rand.NewPCG(seed, mix(uint64(i)<<8|0xa)))
	first := []string{"Vela", "Orbit", "Lumen", "Quill", "Harbor", "Cobalt", "Maple", "Tern", "Onyx", "Pico"}
	second := []string{"Notes", "Mail", "Draw", "Sync", "Studio", "Player", "Agent", "Tasks", "Maps", "Shell"}
	name := first[i%10] + " " + second[i/10%10]
	domain := strings.ToLower(strings.ReplaceAll(name, " ", "")) + ".example"
	if i >= 100 {
		name = fmt.Sprintf("%s %d", name, i/100)
		domain = fmt.Sprintf("v%d.%s", i/100, domain)
	}
	a := app{name: name, path: "/Applications/" + name + ".app/Contents/MacOS/", prevalence: 2.5 / float64(i), runs: 1 + i%3}
	if os == flow.Windows {
		a.name += ".exe"
		a.path = `C:\Program Files\` + name + `\`
	}
	if i%7 == 0 {
		a.user = .3
	}
	for j, label := range []string{"updates", "api", "telemetry", "licence"}[:1+r.IntN(4)] {
		s := start(label+"."+domain, 443, flow.TCP, hosting(r.IntN(4)))
		if r.IntN(8) == 0 {
			s.port = 80
		}
		if j > 0 {
			s.perHour = []float64{daily, .3, 1, 2}[r.IntN(4)]
		}
		a.services = append(a.services, s)
	}
	return a
}
