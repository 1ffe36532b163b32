package pdns

import "syscall"

// forget gives back the memory in which what was read of a mapped file stands.
// The system has the file in its cache still.
func forget(data []byte) { syscall.Madvise(data, syscall.MADV_DONTNEED) }
