package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sync/semaphore"
)

// Sizes of the way from the socket to a frame.
const (
	sizeBytes   = 4        // the size prefix
	minFrame    = 8        // key, version, correlation id
	freeFrame   = 64 * kib // what a frame may take without being charged
	inlineBytes = 512      // the buffer that an idle connection keeps
	maxProven   = 16 * mib // what is taken at once, at most, for a frame that has not arrived
)

// frame is one request without its size prefix, and the memory it is in.
type frame struct {
	b       []byte
	pooled  *buffer
	charged int64
}

var errIdle = errors.New("idle for too long")

// badFrame is an error that closes the connection with a log line that says
// what the client did.
type badFrame string

func (e badFrame) Error() string { return string(e) }

// frameReader reads frames from one connection. Memory grows as bytes arrive:
// a size prefix alone reserves nothing.
type frameReader struct {
	nc     net.Conn
	limits *Limits
	memory *semaphore.Weighted
	in     [inlineBytes]byte
	r, w   int
	// proven is the largest frame that this connection has really sent: so much
	// is taken at once for the next one, up to maxProven.
	proven int
}

// next returns the next frame. check sees its first minFrame bytes and its size
// before the rest is read, and says whether it may lie in a buffer that is used
// again after release. An error ends the connection; io.EOF is a client that
// went away between two frames, errIdle one that asked nothing for IdleTimeout.
// No frame is begun after alive has ended; one that was is read until open ends.
func (f *frameReader) next(alive, open context.Context, check func(head []byte, size int) (pooled bool, err error)) (frame, error) {
	if err := f.wait(alive, time.Now().Add(f.limits.IdleTimeout)); err != nil {
		return frame{}, err
	}
	if err := f.fill(1); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return frame{}, errIdle
		}
		return frame{}, err
	}
	started := time.Now()
	if f.w-f.r < sizeBytes+minFrame {
		if err := f.wait(open, started.Add(f.limits.FrameTimeout)); err != nil {
			return frame{}, err
		}
		if err := f.fill(sizeBytes); err != nil {
			return frame{}, err
		}
	}
	size := int(int32(binary.BigEndian.Uint32(f.in[f.r:])))
	if size < minFrame || size > f.limits.MaxRequestBytes {
		return frame{}, badFrame(fmt.Sprintf("a frame of %d bytes%s, allowed are %d to %d", size, lookLike(f.in[f.r:f.w]), minFrame, f.limits.MaxRequestBytes))
	}
	if err := f.fill(sizeBytes + minFrame); err != nil {
		return frame{}, err
	}
	f.r += sizeBytes
	pooled, err := check(f.in[f.r:f.r+minFrame], size)
	if err != nil {
		return frame{}, err
	}
	return f.body(open, size, pooled, started)
}

// wait sets until when reads may wait. ctx is asked after that: conn.drain ends
// it before it sets a deadline, which this one may have replaced.
func (f *frameReader) wait(ctx context.Context, until time.Time) error {
	if err := f.nc.SetReadDeadline(until); err != nil {
		return err
	}
	return ctx.Err()
}

// lookLike names other protocols that come to this port by mistake.
func lookLike(b []byte) string {
	switch {
	case b[0] == 0x16 && b[1] == 3:
		return ", which looks like TLS"
	case bytes.HasPrefix(b, []byte("GET ")), bytes.HasPrefix(b, []byte("POST")), bytes.HasPrefix(b, []byte("HEAD")):
		return ", which looks like HTTP"
	}
	return ""
}

// body reads the rest of a frame of size bytes.
func (f *frameReader) body(ctx context.Context, size int, pooled bool, started time.Time) (fr frame, err error) {
	have := min(f.w-f.r, size)
	deadline := started.Add(f.limits.FrameTimeout + time.Duration(size/f.limits.MinFrameRate)*time.Second)
	fr, err = f.take(ctx, deadline, fr, max(have, min(size, max(freeFrame, f.proven))), pooled)
	if err != nil {
		return fr, err
	}
	defer func() {
		if err != nil {
			f.release(fr)
		}
	}()
	fr.b = append(fr.b, f.in[f.r:f.r+have]...)
	f.r += have
	if have == size {
		return fr, nil
	}
	if err = f.wait(ctx, deadline); err != nil {
		return fr, err
	}
	for len(fr.b) < size {
		if len(fr.b) == cap(fr.b) {
			if fr, err = f.take(ctx, deadline, fr, min(size, 2*cap(fr.b)), pooled); err != nil {
				return fr, err
			}
		}
		n, rerr := f.nc.Read(fr.b[len(fr.b):min(size, cap(fr.b))])
		fr.b = fr.b[:len(fr.b)+n]
		if rerr != nil && len(fr.b) < size {
			return fr, rerr
		}
	}
	f.proven = min(max(f.proven, size), maxProven)
	return fr, nil
}

// take moves old into a buffer of n bytes, charging what is above freeFrame. It
// waits for memory until deadline.
func (f *frameReader) take(ctx context.Context, deadline time.Time, old frame, n int, pooled bool) (frame, error) {
	next := old
	if pooled {
		next.pooled = getBuffer(n)
		next.b = next.pooled.b[:0]
	} else {
		next.b = make([]byte, 0, n)
	}
	if charge := int64(n) - freeFrame - old.charged; charge > 0 {
		if err := f.charge(ctx, deadline, charge); err != nil {
			if next.pooled != nil {
				putBuffer(next.pooled)
			}
			return old, err
		}
		next.charged = old.charged + charge
	}
	next.b = append(next.b, old.b...)
	if old.pooled != nil {
		putBuffer(old.pooled)
	}
	return next, nil
}

// charge takes bytes from the broker's memory for frames.
func (f *frameReader) charge(ctx context.Context, deadline time.Time, bytes int64) error {
	if f.memory.TryAcquire(bytes) {
		return nil
	}
	ctx, stop := context.WithDeadline(ctx, deadline)
	defer stop()
	if err := f.memory.Acquire(ctx, bytes); err != nil {
		return fmt.Errorf("no memory was free for a frame in time: %w", err)
	}
	return nil
}

// release gives a frame's memory back. Nothing may point into it afterwards if
// it was read as pooled.
func (f *frameReader) release(fr frame) {
	if fr.charged > 0 {
		f.memory.Release(fr.charged)
	}
	if fr.pooled != nil {
		putBuffer(fr.pooled)
	}
}

// fill reads until the inline buffer holds n bytes.
func (f *frameReader) fill(n int) error {
	if f.r == f.w {
		f.r, f.w = 0, 0
	} else if f.r+n > len(f.in) {
		f.w = copy(f.in[:], f.in[f.r:f.w])
		f.r = 0
	}
	for f.w-f.r < n {
		m, err := f.nc.Read(f.in[f.w:])
		f.w += m
		if err != nil && f.w-f.r < n {
			return err
		}
	}
	return nil
}

// header is what comes before a request's body (request header v1 and v2).
type header struct {
	key, version int16
	correlation  int32
	clientID     string
}

var errHeader = errors.New("the request header is cut off")

// parseHeader reads a header and returns the body after it. known is the client
// id of the request before, which is most likely this one's.
func parseHeader(b []byte, flexible bool, known string) (h header, body []byte, err error) {
	if len(b) < minFrame+2 {
		return h, nil, errHeader
	}
	h.key = int16(binary.BigEndian.Uint16(b))
	h.version = int16(binary.BigEndian.Uint16(b[2:]))
	h.correlation = int32(binary.BigEndian.Uint32(b[4:]))
	n := int(int16(binary.BigEndian.Uint16(b[8:])))
	b = b[10:]
	if n > len(b) || n < -1 {
		return h, nil, errHeader
	}
	if n > 0 {
		if h.clientID = known; string(b[:n]) != known {
			h.clientID = string(b[:n])
		}
		b = b[n:]
	}
	if !flexible {
		return h, b, nil
	}
	s := scan{b: b}
	if !s.tags(nil) {
		return h, nil, errHeader
	}
	return h, s.b, nil
}
