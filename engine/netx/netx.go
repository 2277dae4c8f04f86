// Package netx is the engine's network as an interface: the real one, and one
// in memory that can be slowed and cut; and the links by which the brokers of
// one process call each other (Links), which can be slowed and cut as well. It
// imports the standard library alone.
package netx

import (
	"context"
	"net"
)

// Network opens listeners and connections. Addresses are "host:port"; port 0
// asks for any free port.
type Network interface {
	Listen(ctx context.Context, address string) (net.Listener, error)
	Dial(ctx context.Context, address string) (net.Conn, error)
}
