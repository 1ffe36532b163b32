//go:build unix

package main

import (
	"runtime"
	"syscall"
	"time"
)

// spent returns the costs so far.
func spent() costs {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return costs{}
	}
	peak := int64(r.Maxrss)
	if runtime.GOOS != "darwin" && runtime.GOOS != "ios" { // bytes there, KiB elsewhere
		peak *= 1024
	}
	return costs{time.Duration(r.Utime.Nano() + r.Stime.Nano()), peak}
}
