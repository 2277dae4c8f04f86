package broker

import (
	"errors"
	"net"
	"time"
)

// accept takes connections until the listener is closed.
func (b *Broker) accept(l Listener) {
	const maxPause = time.Second
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		b.gate.pass(b.cut.Done())
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Out of file descriptors, most likely: it passes when clients go.
			b.mu.Lock()
			closing := b.closing
			b.mu.Unlock()
			if closing {
				return
			}
			pause = min(max(2*pause, 5*time.Millisecond), maxPause)
			b.complain("cannot accept a connection", "listener", l.Name, "err", err)
			select {
			case <-time.After(pause):
			case <-b.cut.Done():
			}
			continue
		}
		pause = 0
		b.welcome(nc, l.Name)
	}
}

// welcome starts to serve a connection, or closes it if there are too many.
func (b *Broker) welcome(nc net.Conn, listener string) {
	ip := hostOf(nc.RemoteAddr())
	b.mu.Lock()
	var refused string
	switch {
	case b.closing:
		refused = "the broker is closing"
	case len(b.conns) >= b.limits.MaxConnections:
		refused = "too many connections"
	case b.perIP[ip] >= b.limits.MaxConnectionsPerIP:
		refused = "too many connections from this address"
	}
	if refused != "" {
		b.mu.Unlock()
		_ = nc.Close() // nothing was read or written
		b.complain("refused a connection", "client", nc.RemoteAddr().String(), "why", refused)
		return
	}
	c := newConn(b, nc, listener)
	b.conns[c] = struct{}{}
	b.perIP[ip]++
	b.serving.Add(1)
	b.mu.Unlock()
	gauge := b.hub.Connections(b.id)
	gauge.Add(1)
	go func() {
		defer b.serving.Done()
		c.serve()
		gauge.Add(-1)
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.conns, c)
		if b.perIP[ip]--; b.perIP[ip] == 0 {
			delete(b.perIP, ip)
		}
	}()
}

// hostOf returns an address without its port.
func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}
