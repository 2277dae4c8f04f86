package netx

import (
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// streamBuffer bounds what is under way in one direction of a connection:
	// about what a socket's two buffers hold. A write waits for room.
	streamBuffer = 256 << 10
	// segmentMax is how much a packet can collect of writes that arrive at the same time.
	segmentMax = 32 << 10
)

// segment is bytes that arrive together, or the end of the stream.
type segment struct {
	data []byte
	at   time.Time // when it arrives
	held bool      // by a cut; at means nothing then
	end  bool
}

// stream is one direction of a connection.
type stream struct {
	mu       sync.Mutex    // never held while waiting
	woken    chan struct{} // closed when something changes; nil while nobody waits
	link     Link
	segments []segment
	size     int       // bytes in segments
	sent     time.Time // when the last byte has left the sender, by the bandwidth

	readDeadline, writeDeadline time.Time

	broken    error // both ends get it: the connection was reset
	writerErr error // why the writer writes no more
	readerErr error // why the reader reads no more
}

func newStream(link Link) *stream { return &stream{link: link} }

// wake lets everybody who waits look again. The caller holds the lock.
func (s *stream) wake() {
	if s.woken != nil {
		close(s.woken)
		s.woken = nil
	}
}

// wait frees the lock until something has changed or one of the times, if it
// is not zero, is past.
func (s *stream) wait(times ...time.Time) {
	if s.woken == nil {
		s.woken = make(chan struct{})
	}
	woken := s.woken
	var first time.Time
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	if first.IsZero() {
		<-woken
		return
	}
	timer := time.NewTimer(time.Until(first))
	defer timer.Stop()
	select {
	case <-woken:
	case <-timer.C:
	}
}

func passed(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.readerErr != nil:
			return 0, s.readerErr
		case s.broken != nil:
			return 0, s.broken
		case passed(s.readDeadline):
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		}
		if n, end := s.take(p); n > 0 {
			return n, nil
		} else if end {
			return 0, io.EOF
		}
		var arrives time.Time
		if len(s.segments) > 0 && !s.segments[0].held {
			arrives = s.segments[0].at
		}
		s.wait(s.readDeadline, arrives)
	}
}

// take moves what has arrived into p, and says whether the end has.
func (s *stream) take(p []byte) (n int, end bool) {
	now := time.Now()
	taken := 0
	for taken < len(s.segments) && n < len(p) {
		first := &s.segments[taken]
		if first.held || first.at.After(now) {
			break
		}
		if first.end {
			end = true
			break
		}
		copied := copy(p[n:], first.data)
		n += copied
		if first.data = first.data[copied:]; len(first.data) > 0 {
			break
		}
		first.data = nil
		taken++
	}
	s.segments = s.segments[taken:]
	if n > 0 {
		s.size -= n
		s.wake()
	}
	return n, end
}

func (s *stream) write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	written := 0
	for {
		switch {
		case s.writerErr != nil:
			return written, s.writerErr
		case s.broken != nil:
			return written, s.broken
		case s.readerErr != nil && !s.link.Cut:
			return written, syscall.EPIPE
		case passed(s.writeDeadline):
			return written, os.ErrDeadlineExceeded
		case written == len(p):
			return written, nil
		}
		if room := streamBuffer - s.size; room > 0 {
			n := min(room, segmentMax, len(p)-written)
			s.send(p[written : written+n])
			written += n
			continue
		}
		s.wait(s.writeDeadline)
	}
}

// send puts bytes on their way.
func (s *stream) send(p []byte) {
	now := time.Now()
	if s.sent.Before(now) {
		s.sent = now
	}
	if s.link.Bandwidth > 0 {
		s.sent = s.sent.Add(time.Duration(float64(len(p)) / float64(s.link.Bandwidth) * float64(time.Second)))
	}
	next := segment{at: s.sent.Add(s.link.Latency), held: s.link.Cut}
	s.size += len(p)
	if i := len(s.segments) - 1; i >= 0 {
		last := &s.segments[i]
		if next.at.Before(last.at) { // the link has become faster; the order stays
			next.at = last.at
		}
		if last.held == next.held && (last.held || !last.at.Before(next.at)) && len(last.data)+len(p) <= segmentMax {
			last.data = append(last.data, p...)
			s.wake()
			return
		}
	}
	next.data = append(make([]byte, 0, len(p)), p...)
	s.segments = append(s.segments, next)
	s.wake()
}

// closeWrite sends the end of the stream, with the error that writes get from now on.
func (s *stream) closeWrite(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.writerErr != nil
	s.writerErr = err
	if sent {
		return
	}
	at := time.Now()
	if at.Before(s.sent) {
		at = s.sent
	}
	at = at.Add(s.link.Latency)
	if i := len(s.segments) - 1; i >= 0 && at.Before(s.segments[i].at) {
		at = s.segments[i].at
	}
	s.segments = append(s.segments, segment{at: at, held: s.link.Cut, end: true})
	s.wake()
}

// closeRead ends reading, with the error that reads get from now on.
func (s *stream) closeRead(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readerErr = err
	s.segments, s.size = nil, 0
	s.wake()
}

func (s *stream) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = syscall.ECONNRESET
	s.segments, s.size = nil, 0
	s.wake()
}

func (s *stream) setDeadline(which *time.Time, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*which = t
	s.wake()
}

// setLink changes the link under a stream in use. What has arrived stays
// arrived; a cut holds the rest, and the end of the cut sends it again.
func (s *stream) setLink(link Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link = link
	now := time.Now()
	for i := range s.segments {
		seg := &s.segments[i]
		switch {
		case link.Cut && seg.at.After(now):
			seg.held = true
		case !link.Cut && seg.held:
			seg.held = false
			seg.at = now.Add(link.Latency)
		}
	}
	s.wake()
}
