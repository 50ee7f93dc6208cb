//go:build !unix

package lb

import "net"

// quietCheck cannot look at a socket without waiting here, so no idle connection is trusted with a request that cannot be repeated.
func quietCheck(net.Conn) func() bool { return func() bool { return false } }
