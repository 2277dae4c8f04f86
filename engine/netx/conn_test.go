package netx_test

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"github.com/logarium/logarium/engine/netx"
)

// TestMem_IsANetConn runs what the Go authors ask of every net.Conn.
func TestMem_IsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (a, b net.Conn, stop func(), err error) {
		m := netx.NewMem()
		l, err := m.Listen(t.Context(), "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		if a, err = m.Dial(t.Context(), l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if b, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return a, b, func() { a.Close(); b.Close() }, nil
	})
}
