package netx

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// Loopback is the host that a Mem itself listens and dials as.
	Loopback = "127.0.0.1"
	// AnyHost stands in a link for every host but the one at its other end.
	AnyHost = "*"

	backlog        = 128   // connections that wait to be accepted, as Linux had it for long
	firstEphemeral = 32768 // ports from here on are given to dialers and to listeners on port 0
	lastPort       = 65535
)

// Link is what lies between two hosts. The zero value is a perfect one:
// unlimited and without delay. Whatever it is set to, a connection delivers
// its bytes in order and loses none, as TCP does.
type Link struct {
	// Latency is how long a byte takes from one end to the other.
	Latency time.Duration
	// Bandwidth is how many bytes a second one connection carries; 0 is no limit.
	Bandwidth int64
	// Cut stops everything: what is sent waits in the sender's buffer, and
	// connecting waits, until the link is set to one that is not cut.
	Cut bool
	// Refuse makes new connections fail at once, as when nobody listens.
	Refuse bool
}

// Mem is a network of named hosts in memory. A name of a host needs no
// registration; "localhost", "127.0.0.1", "::1", "" and the wildcard addresses
// are the host itself. Mem is the Network of the host 127.0.0.1. Everything
// that waits in it waits on channels and timers, so that it works in the
// virtual time of testing/synctest.
type Mem struct {
	mu        sync.Mutex // taken before that of a stream; never held while waiting
	listeners map[endpoint]*memListener
	pipes     map[*pipe]struct{}
	rules     []rule // the last one that matches counts
	nextPort  int
	changed   chan struct{} // closed when rules change
}

// endpoint is a port of a host.
type endpoint struct {
	host string
	port int
}

func (e endpoint) String() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

// Addr returns the endpoint as package net would, or by its name where that is
// no IP address.
func (e endpoint) Addr() net.Addr {
	if ip := net.ParseIP(e.host); ip != nil {
		return &net.TCPAddr{IP: ip, Port: e.port}
	}
	return hostAddr(e.String())
}

// hostAddr is the address of a host that has no IP address.
type hostAddr string

func (hostAddr) Network() string  { return "tcp" }
func (a hostAddr) String() string { return string(a) }

// rule sets the link in one direction.
type rule struct {
	from, to string // a host, an address "host:port", or AnyHost
	link     Link
}

// NewMem returns a network without hosts, and perfect links between any that will be.
func NewMem() *Mem {
	return &Mem{
		listeners: map[endpoint]*memListener{},
		pipes:     map[*pipe]struct{}{},
		nextPort:  firstEphemeral,
		changed:   make(chan struct{}),
	}
}

// Host returns the network as the host of that name sees it: it listens under
// that name, and what it dials comes from there.
func (m *Mem) Host(name string) Network { return &memHost{mem: m, name: name} }

// Listen implements Network as the host 127.0.0.1.
func (m *Mem) Listen(ctx context.Context, address string) (net.Listener, error) {
	return m.Host(Loopback).Listen(ctx, address)
}

// Dial implements Network as the host 127.0.0.1.
func (m *Mem) Dial(ctx context.Context, address string) (net.Conn, error) {
	return m.Host(Loopback).Dial(ctx, address)
}

// SetLink sets what lies between a and b, in both directions, for open
// connections and those to come. Each is the name of a host, an address
// "host:port" of a listener, or AnyHost. Of several settings that match a
// connection the last one counts.
func (m *Mem) SetLink(a, b string, link Link) {
	m.set(rule{a, b, link}, rule{b, a, link})
}

// SetOneWay sets what lies on the way from one host to another, and leaves the way back.
func (m *Mem) SetOneWay(from, to string, link Link) {
	m.set(rule{from, to, link})
}

// Heal makes all links perfect again. Connections that were reset stay so.
func (m *Mem) Heal() { m.set() }

// set adds rules, or with none removes all, and tells everybody.
func (m *Mem) set(rules ...rule) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range rules {
		m.rules = slices.DeleteFunc(m.rules, func(old rule) bool { return old.from == r.from && old.to == r.to })
	}
	m.rules = append(m.rules, rules...)
	if len(rules) == 0 {
		m.rules = nil
	}
	for p := range m.pipes {
		p.dialer.out.setLink(m.link(p.from, p.to))
		p.listener.out.setLink(m.link(p.to, p.from))
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// Reset breaks the open connections between a and b, named as for SetLink:
// both ends get "connection reset by peer", and what was under way is lost.
// It returns how many it broke.
func (m *Mem) Reset(a, b string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	broken := 0
	for p := range m.pipes {
		if matches(a, p.from, p.to) && matches(b, p.to, p.from) || matches(b, p.from, p.to) && matches(a, p.to, p.from) {
			p.reset()
			delete(m.pipes, p)
			broken++
		}
	}
	return broken
}

// link finds the link in one direction.
func (m *Mem) link(from, to endpoint) Link {
	for _, r := range slices.Backward(m.rules) {
		if matches(r.from, from, to) && matches(r.to, to, from) {
			return r.link
		}
	}
	return Link{}
}

// matches says whether a name in a rule means the endpoint.
func matches(name string, e, other endpoint) bool {
	if name == AnyHost {
		return e.host != other.host
	}
	return name == e.host || name == e.String()
}

// port returns a free port of the host.
func (m *Mem) port(host string) int {
	for {
		port := m.nextPort
		m.nextPort++
		if m.nextPort > lastPort {
			m.nextPort = firstEphemeral
		}
		if _, taken := m.listeners[endpoint{host, port}]; !taken {
			return port
		}
	}
}

// memHost is the network as one host sees it.
type memHost struct {
	mem  *Mem
	name string
}

// resolve finds the endpoint that an address means on this host.
func (h *memHost) resolve(address string) (endpoint, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return endpoint{}, err
	}
	port, err := strconv.Atoi(service)
	if err != nil || port < 0 || port > lastPort {
		return endpoint{}, &net.AddrError{Err: "not a port", Addr: service}
	}
	ip := net.ParseIP(host)
	if host == "" || host == "localhost" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
		host = h.name
	}
	return endpoint{host, port}, nil
}

// Listen implements Network.
func (h *memHost) Listen(_ context.Context, address string) (net.Listener, error) {
	at, err := h.resolve(address)
	if err == nil && at.host != h.name {
		err = os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Err: fmt.Errorf("%s: %w", address, err)}
	}
	h.mem.mu.Lock()
	defer h.mem.mu.Unlock()
	if at.port == 0 {
		at.port = h.mem.port(at.host)
	}
	if _, taken := h.mem.listeners[at]; taken {
		return nil, &net.OpError{Op: "listen", Net: "tcp", Addr: at.Addr(), Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	}
	l := &memListener{mem: h.mem, at: at, queue: make(chan *Conn, backlog), closed: make(chan struct{})}
	h.mem.listeners[at] = l
	return l, nil
}

// Dial implements Network.
func (h *memHost) Dial(ctx context.Context, address string) (net.Conn, error) {
	to, err := h.resolve(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	conn, err := h.dial(ctx, to)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: to.Addr(), Err: err}
	}
	return conn, nil
}

func (h *memHost) dial(ctx context.Context, to endpoint) (*Conn, error) {
	from := endpoint{host: h.name}
	if err := h.mem.handshake(ctx, from, to); err != nil {
		return nil, err
	}
	h.mem.mu.Lock()
	l, ok := h.mem.listeners[to]
	if !ok || h.mem.link(from, to).Refuse {
		h.mem.mu.Unlock()
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	from.port = h.mem.port(from.host)
	p := newPipe(h.mem, from, to)
	h.mem.pipes[p] = struct{}{}
	h.mem.mu.Unlock()
	err := l.offer(ctx, p.listener)
	if err != nil {
		p.reset()
		h.mem.forget(p)
		return nil, err
	}
	return p.dialer, nil
}

// handshake waits as long as the first exchange with the other host takes.
func (m *Mem) handshake(ctx context.Context, from, to endpoint) error {
	for {
		m.mu.Lock()
		there, back, changed := m.link(from, to), m.link(to, from), m.changed
		m.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return err
		}
		if there.Cut || back.Cut {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		trip := there.Latency + back.Latency
		if trip == 0 {
			return nil
		}
		timer := time.NewTimer(trip)
		select {
		case <-timer.C:
			return nil
		case <-changed: // a retry starts over
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// forget drops a pipe that no rule can concern any more.
func (m *Mem) forget(p *pipe) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.pipes, p)
}

// memListener is an open port.
type memListener struct {
	mem    *Mem
	at     endpoint
	queue  chan *Conn
	once   sync.Once
	closed chan struct{}
}

// offer puts a connection into the queue of those to be accepted.
func (l *memListener) offer(ctx context.Context, c *Conn) error {
	select {
	case <-l.closed:
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	default:
	}
	select {
	case l.queue <- c:
	case <-l.closed:
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-l.closed: // it may have come after Close had emptied the queue
		l.drain()
	default:
	}
	return nil
}

// drain resets what nobody will accept.
func (l *memListener) drain() {
	for {
		select {
		case c := <-l.queue:
			c.pipe.reset()
			l.mem.forget(c.pipe)
		default:
			return
		}
	}
}

// Accept implements net.Listener.
func (l *memListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
	default:
		select {
		case c := <-l.queue:
			return c, nil
		case <-l.closed:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
}

// Close implements net.Listener. Connections that were not accepted are reset.
func (l *memListener) Close() error {
	err := error(&net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed})
	l.once.Do(func() {
		l.mem.mu.Lock()
		delete(l.mem.listeners, l.at)
		l.mem.mu.Unlock()
		close(l.closed)
		l.drain()
		err = nil
	})
	return err
}

// Addr implements net.Listener.
func (l *memListener) Addr() net.Addr { return l.at.Addr() }
