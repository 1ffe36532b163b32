package enrich

import "os"

// Scratch returns the temporary file of c.
func Scratch(c *Contacts) *os.File { return c.scratch.File }

// ForgetErr makes c usable again.
func ForgetErr(c *Contacts) { c.err = nil }

// Size returns the bytes that c holds in memory.
func Size(c *Contacts) int64 {
	now, _ := c.bytes()
	return now
}
