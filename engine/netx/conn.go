package netx

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// pipe is one connection: two ends, and a stream from each to the other.
type pipe struct {
	mem              *Mem
	from, to         endpoint // who dialled, and whom
	dialer, listener *Conn
	open             atomic.Int32 // ends that are not closed
}

func newPipe(m *Mem, from, to endpoint) *pipe {
	p := &pipe{mem: m, from: from, to: to}
	there, back := newStream(m.link(from, to)), newStream(m.link(to, from))
	p.dialer = &Conn{pipe: p, local: from, remote: to, out: there, in: back}
	p.listener = &Conn{pipe: p, local: to, remote: from, out: back, in: there}
	p.open.Store(2)
	return p
}

func (p *pipe) reset() {
	p.dialer.out.reset()
	p.listener.out.reset()
}

// Conn is one end of a connection of a Mem. It can be closed in one direction,
// as a net.TCPConn can.
type Conn struct {
	pipe          *pipe
	local, remote endpoint
	out, in       *stream
	closed        atomic.Bool
	abrupt        atomic.Bool // Close resets
}

// wrap gives an error the words and the type that package net would.
func (c *Conn) wrap(op string, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = os.NewSyscallError(op, err)
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // read returns io.EOF bare, and so must this
		err = c.wrap("read", err)
	}
	return n, err
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	if err != nil {
		err = c.wrap("write", err)
	}
	return n, err
}

// CloseWrite tells the other end that nothing more comes.
func (c *Conn) CloseWrite() error {
	if c.closed.Load() {
		return c.wrap("close", net.ErrClosed)
	}
	c.out.closeWrite(syscall.EPIPE)
	return nil
}

// CloseRead drops what comes in from now on; reads get io.EOF.
func (c *Conn) CloseRead() error {
	if c.closed.Load() {
		return c.wrap("close", net.ErrClosed)
	}
	c.in.closeRead(io.EOF)
	return nil
}

// SetLinger says what Close does with what was written, as for a net.TCPConn:
// with 0 seconds it is lost, and the other end gets "connection reset by peer".
// Any other number changes nothing.
func (c *Conn) SetLinger(seconds int) error {
	if c.closed.Load() {
		return c.wrap("set", net.ErrClosed)
	}
	c.abrupt.Store(seconds == 0)
	return nil
}

// Close implements net.Conn. What was written is still delivered, unless
// SetLinger said otherwise.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return c.wrap("close", net.ErrClosed)
	}
	if c.abrupt.Load() {
		c.out.reset()
		c.in.reset()
	}
	c.out.closeWrite(net.ErrClosed)
	c.in.closeRead(net.ErrClosed)
	if c.pipe.open.Add(-1) == 0 {
		c.pipe.mem.forget(c.pipe)
	}
	return nil
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local.Addr() }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.remote.Addr() }

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.wrap("set", net.ErrClosed)
	}
	c.in.setDeadline(&c.in.readDeadline, t)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if c.closed.Load() {
		return c.wrap("set", net.ErrClosed)
	}
	c.out.setDeadline(&c.out.writeDeadline, t)
	return nil
}
