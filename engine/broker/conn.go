package broker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/event"
)

// conn is one client connection. Its reader is the goroutine of serve; its
// writer starts with the first answer that has to wait.
type conn struct {
	b        *Broker
	nc       net.Conn
	listener string // name of the listener that the client came by
	frames   frameReader

	// alive ends when the client is gone or the broker begins to close: parked
	// answers come soon after. open ends only when the connection is cut.
	alive    context.Context
	leave    context.CancelFunc
	open     context.Context
	cut      context.CancelFunc
	out      chan pending
	written  chan struct{} // closed when the writer has ended
	waiting  atomic.Int32  // answers handed to the writer and not yet sent
	clientID string        // of the newest request; the reader's alone
	software string        // the reader's alone
	seen     bool          // the hub knows of this client

	links  links
	pieces net.Buffers // of the answer being sent; the reader's or the writer's, whose turn it is
}

// pending is an answer on its way to the writer.
type pending struct {
	req *request
	rep reply
}

func newConn(b *Broker, nc net.Conn, listener string) *conn {
	c := &conn{b: b, nc: nc, listener: listener}
	c.frames = frameReader{nc: nc, limits: &b.limits, memory: b.memory}
	c.open, c.cut = context.WithCancel(context.Background())
	c.alive, c.leave = context.WithCancel(c.open)
	return c
}

// serve reads and runs requests until the connection ends.
func (c *conn) serve() {
	defer c.end()
	defer func() { c.recovered(recover(), "reading", c.clientID) }()
	for {
		f, err := c.frames.next(c.alive, c.open, c.admit)
		c.b.gate.pass(c.open.Done())
		if err != nil {
			if errors.Is(err, errIdle) && c.waiting.Load() > 0 && c.alive.Err() == nil {
				continue
			}
			c.explain(err, c.clientID)
			return
		}
		if err := c.run(f); err != nil {
			c.explain(err, c.clientID)
			return
		}
	}
}

// end waits for the writer to answer what was asked and closes the connection.
func (c *conn) end() {
	c.leave()
	if c.out != nil {
		close(c.out)
		<-c.written
	}
	c.cut()
	_ = c.nc.Close() // nothing is left to lose: all answers are written or cannot be
	if c.seen {
		c.b.hub.Emit(event.State{Kind: event.ClientGone, Broker: c.b.id, Partition: -1, ClientID: c.clientID})
	}
}

// drain makes the reader stop after the request it has in hand.
func (c *conn) drain() {
	c.leave()
	_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed connection
}

// kill cuts the connection whatever it is doing.
func (c *conn) kill() {
	c.cut()
	_ = c.nc.Close()
}

// reset is kill, and the client gets a reset instead of an orderly end, as when
// the process or the power is gone.
func (c *conn) reset() {
	if l, ok := c.nc.(interface{ SetLinger(seconds int) error }); ok {
		_ = l.SetLinger(0) // fails only on a closed connection
	}
	c.kill()
}

// recovered logs a panic, v, and closes the connection: it harms nobody else.
func (c *conn) recovered(v any, doing, clientID string) {
	if v == nil {
		return
	}
	c.b.log.Error("a bug: a request caused a panic; its connection is closed",
		"doing", doing, "client", c.nc.RemoteAddr(), "clientID", clientID, "panic", v, "stack", string(debug.Stack()))
	c.kill()
}

// explain logs why the connection is closed, if that is not the ordinary end.
func (c *conn) explain(err error, clientID string) {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, errIdle), c.alive.Err() != nil:
		return
	}
	var bad badFrame
	switch {
	case errors.As(err, &bad):
		c.b.complain("closed a connection that sent what is no Kafka request", "client", c.nc.RemoteAddr().String(), "clientID", clientID, "sent", string(bad))
	case errors.Is(err, context.DeadlineExceeded):
		c.b.complain("closed a connection whose request found no free memory; see queued.max.request.bytes", "client", c.nc.RemoteAddr().String(), "clientID", clientID)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.b.complain("closed a connection that sent half a request", "client", c.nc.RemoteAddr().String(), "clientID", clientID)
	default:
		c.b.log.Debug("connection lost", "client", c.nc.RemoteAddr(), "clientID", clientID, "err", err)
	}
}

// admit decides from the first bytes of a frame whether the rest is read.
func (c *conn) admit(head []byte, size int) (pooled bool, err error) {
	key := int16(binary.BigEndian.Uint16(head))
	version := int16(binary.BigEndian.Uint16(head[2:]))
	a := lookup(key)
	if a == nil {
		return false, badFrame(fmt.Sprintf("a request with key %d, which is not in the ApiVersions answer", key))
	}
	if (version < a.min || version > a.max) && a.key != kmsg.ApiVersions {
		return false, badFrame(fmt.Sprintf("%s version %d, supported are %d to %d", a.name(), version, a.min, a.max))
	}
	if a.frameLimit != produceFrame && size > a.frameLimit {
		return false, badFrame(fmt.Sprintf("%s of %d bytes, allowed are %d", a.name(), size, a.frameLimit))
	}
	return a.owned, nil
}

// run decodes one request, runs its handler and sends or queues the answer.
func (c *conn) run(f frame) error {
	queued := false
	defer func() {
		if !queued {
			c.frames.release(f)
		}
	}()
	req, err := c.decode(f)
	if err != nil {
		return err
	}
	c.introduce(req)
	rep := req.api.handle(c.b, req)
	switch {
	case rep.bye != nil:
		return rep.bye
	case rep.later == nil && c.waiting.Load() == 0:
		return c.send(req, rep.now)
	}
	if c.out == nil {
		c.out = make(chan pending, c.b.limits.MaxInFlightPerConn)
		c.written = make(chan struct{})
		go c.write()
	}
	queued = true
	c.waiting.Add(1)
	c.out <- pending{req, rep}
	return nil
}

// decode makes a request of a frame.
func (c *conn) decode(f frame) (*request, error) {
	key := int16(binary.BigEndian.Uint16(f.b))
	version := int16(binary.BigEndian.Uint16(f.b[2:]))
	a := lookup(key)
	req := &request{conn: c, api: a, version: version, received: time.Now(), frame: f}
	if version < a.min || version > a.max { // ApiVersions alone gets here: see admit
		req.correlation = int32(binary.BigEndian.Uint32(f.b[4:]))
		req.clientID, req.software = c.clientID, c.software
		return req, nil
	}
	req.body = a.key.Request()
	req.body.SetVersion(version)
	h, body, err := parseHeader(f.b, req.body.IsFlexible(), c.clientID)
	if err != nil {
		return nil, badFrame(fmt.Sprintf("%s version %d: %v", a.name(), version, err))
	}
	req.correlation, req.clientID = h.correlation, h.clientID
	s := scan{b: body, version: version, flexible: req.body.IsFlexible(), elements: c.b.limits.MaxElements}
	if err := s.check(a.layout); err != nil {
		return nil, badFrame(fmt.Sprintf("%s version %d: %v", a.name(), version, err))
	}
	if u, ok := req.body.(kmsg.UnsafeReadFrom); ok && a.owned {
		err = u.UnsafeReadFrom(body)
	} else {
		err = req.body.ReadFrom(body)
	}
	if err != nil {
		return nil, badFrame(fmt.Sprintf("%s version %d: %v", a.name(), version, err))
	}
	return req, nil
}

// introduce keeps who the client is, and tells the hub at the first request
// that says so.
func (c *conn) introduce(req *request) {
	if v, ok := req.body.(*kmsg.ApiVersionsRequest); ok && v.Version >= 3 {
		c.software = v.ClientSoftwareName
		if v.ClientSoftwareVersion != "" {
			c.software += "/" + v.ClientSoftwareVersion
		}
	}
	c.clientID = req.clientID
	req.software = c.software
	if !c.seen && req.clientID != "" {
		c.seen = true
		c.b.hub.Emit(event.State{Kind: event.ClientConnected, Broker: c.b.id, Partition: -1, ClientID: c.clientID, Text: c.software})
	}
}

// write sends queued answers in order until the reader has closed the queue.
func (c *conn) write() {
	defer close(c.written)
	for p := range c.out {
		c.writeOne(p)
	}
}

func (c *conn) writeOne(p pending) {
	defer c.waiting.Add(-1)
	defer c.frames.release(p.req.frame)
	defer func() { c.recovered(recover(), "answering", p.req.clientID) }()
	resp := p.rep.now
	if p.rep.later != nil { // even if nobody waits any more: it may hold something
		resp = p.rep.later(c.alive)
	}
	if c.open.Err() != nil {
		if v, ok := resp.(vectored); ok {
			v.release()
		}
		return
	}
	if err := c.send(p.req, resp); err != nil {
		c.explain(err, p.req.clientID)
		c.kill()
	}
}

// vectored is an answer whose records are sent from where they lie, without a
// copy into the frame.
type vectored interface {
	// appendBody appends the body without the records to dst, and returns where
	// the records belong, in order.
	appendBody(dst []byte) ([]byte, []cut)
	// release gives back what the records lie in, and whatever else is to be
	// given back when the answer is out, or was not sent.
	release()
}

// cut is a place in an answer where other memory belongs.
type cut struct {
	at    int
	piece []byte
}

// send writes one answer as one frame. A nil answer is none.
func (c *conn) send(req *request, resp kmsg.Response) error {
	if resp == nil {
		return nil
	}
	buf := getBuffer(minFrameOut)
	defer func() { putBuffer(buf) }()
	head := append(buf.b[:0], 0, 0, 0, 0)
	head = binary.BigEndian.AppendUint32(head, uint32(req.correlation))
	if req.api.key != kmsg.ApiVersions { // which answers in its own version
		resp.SetVersion(req.version)
	}
	if resp.IsFlexible() && req.api.key != kmsg.ApiVersions {
		head = append(head, 0) // response header v1: no tags
	}
	var cuts []cut
	if v, ok := resp.(vectored); ok {
		defer v.release()
		buf.b, cuts = v.appendBody(head)
	} else {
		buf.b = resp.AppendTo(head)
	}
	size := len(buf.b) - sizeBytes
	pieces, from := c.pieces[:0], 0
	for _, cut := range cuts {
		pieces = append(pieces, buf.b[from:cut.at], cut.piece)
		size += len(cut.piece)
		from = cut.at
	}
	if from < len(buf.b) {
		pieces = append(pieces, buf.b[from:])
	}
	binary.BigEndian.PutUint32(buf.b, uint32(size))
	c.pieces = pieces
	c.b.gate.pass(c.open.Done())
	err := c.flush(pieces)
	clear(c.pieces)
	return err
}

// minFrameOut is the buffer that an answer starts in.
const minFrameOut = 1 * kib

// patience is into how many parts WriteTimeout is divided: a client's silence
// is measured that finely.
const patience = 4

// flush writes pieces in one system call where the network can. It fails when
// the client takes nothing for WriteTimeout.
func (c *conn) flush(pieces net.Buffers) error {
	silent := 0
	for {
		if err := c.nc.SetWriteDeadline(time.Now().Add(c.b.limits.WriteTimeout / patience)); err != nil {
			return err
		}
		n, err := pieces.WriteTo(c.nc)
		if err == nil {
			return nil
		}
		if silent++; n > 0 {
			silent = 0
		}
		if silent == patience || !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
}
