//go:build unix

package lb

import (
	"errors"
	"net"
	"syscall"
)

// quietCheck returns a function that reports, without waiting, whether an idle connection has nothing to read. Something to read
// on it is its end, or an answer that nobody asked for; in both cases the connection is useless. The byte that it may read is lost.
func quietCheck(c net.Conn) func() bool {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return func() bool { return true }
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return func() bool { return false }
	}
	var quiet bool
	var b [1]byte
	look := func(fd uintptr) bool {
		_, err := syscall.Read(int(fd), b[:])
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	}
	return func() bool {
		quiet = false
		return raw.Read(look) == nil && quiet
	}
}
