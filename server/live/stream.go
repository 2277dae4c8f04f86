package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/r3labs/sse/v2"
)

// r3labs/sse is dormant and has known faults; each is met here and nowhere
// else:
//
//   - One stalled reader freezes everybody on its stream: so every tab has a
//     stream of its own, made for the request and removed after it.
//   - There is no write deadline and write errors are ignored: guard has both,
//     and ends the request at the first error.
//   - AutoReplay keeps every event for ever and overwrites ids: off. AutoStream
//     lets anybody make streams: off.
//   - An event without data ends the connection: nothing empty is published.
//   - Newlines in data inject fields: SplitData, and all data is JSON.
//   - An event without id clears the browser's Last-Event-ID: every event
//     carries the newest id.
//   - A Last-Event-ID that is no number is answered by 400, after which a
//     browser never comes back: the header is read here and taken off.
//   - Publish blocks when the stream's queue is full: TryPublish, and never more
//     than inFlight events that the guard has not written yet.
//   - Close leaks a goroutine for each connected client: contexts are cancelled
//     and the requests waited for before it.
const (
	inFlight    = 3    // events handed to the library and not written yet
	retryMillis = 1500 // what the browser waits before it comes back
)

// ErrTooManyStreams is what Stream returns when Options.MaxStreams are open.
var ErrTooManyStreams = errors.New("too many live streams are open")

// streams are the open streams.
type streams struct {
	server *sse.Server

	mu     sync.Mutex
	open   map[uint64]context.CancelFunc
	last   uint64
	closed bool
	idle   sync.WaitGroup
}

func (s *streams) init() {
	s.open = make(map[uint64]context.CancelFunc)
	s.server = sse.New()
	s.server.AutoReplay = false
	s.server.AutoStream = false
	s.server.SplitData = true
	s.server.BufferSize = 2 * inFlight
	s.server.Headers = map[string]string{
		"Cache-Control":     "no-cache, no-transform",
		"X-Accel-Buffering": "no",
	}
}

// enter counts a stream in and returns its number.
func (s *streams) enter(limit int, cancel context.CancelFunc) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	if len(s.open) >= limit {
		return 0, ErrTooManyStreams
	}
	s.last++
	s.open[s.last] = cancel
	s.idle.Add(1)
	return s.last, nil
}

func (s *streams) leave(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, id)
	s.idle.Done()
}

func (s *streams) close() {
	s.mu.Lock()
	s.closed = true
	for _, cancel := range s.open {
		cancel()
	}
	s.mu.Unlock()
	s.idle.Wait()
	s.server.Close()
}

// Streams returns how many streams are open.
func (l *Live) Streams() int {
	l.streams.mu.Lock()
	defer l.streams.mu.Unlock()
	return len(l.streams.open)
}

// StreamOptions say what a tab wants.
type StreamOptions struct {
	View   string // see ViewCluster; empty: ViewEvents
	Tail   string // a topic whose new records are sent as they come
	Latest bool   // the sample of the newest messages of all topics
	After  uint64 // newest state event that the tab has; the Last-Event-ID header goes before it
}

// Stream serves one tab until it goes, Close is called, or it stops reading.
// It returns an error, and has written nothing, if the stream could not begin:
// ErrTooManyStreams, ErrClosed, or a view that does not exist.
func (l *Live) Stream(w http.ResponseWriter, r *http.Request, o StreamOptions) error {
	if o.View == "" {
		o.View = ViewEvents
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	id, err := l.streams.enter(l.opt.MaxStreams, cancel)
	if err != nil {
		return err
	}
	defer l.streams.leave(id)
	after, err := strconv.ParseUint(r.Header.Get("Last-Event-ID"), 10, 63)
	if err != nil {
		after = o.After // new here, or a page that opened its stream again by itself
	}
	sub, err := l.Subscribe(o.View, after)
	if err != nil {
		return err
	}
	defer sub.Close()

	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	l.feedRecords(ctx, &helpers, sub, o)

	g := newGuard(w, cancel, l.opt.WriteTimeout)
	defer g.release()
	// A server's read timeout would end the request: it waits for the next one
	// on this connection all the while.
	if err := g.rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("lift the read deadline: %w", err)
	}
	name := strconv.FormatUint(id, 10)
	l.streams.server.CreateStream(name)
	p := &pump{sub: sub, guard: g, cancel: cancel, heartbeat: l.opt.Heartbeat, publish: func(e *sse.Event) bool {
		return l.streams.server.TryPublish(name, e)
	}}
	helpers.Go(func() { p.run(ctx) })

	inner := r.Clone(ctx)
	inner.Header.Del("Last-Event-ID")
	inner.URL.RawQuery = "stream=" + name
	l.streams.server.ServeHTTP(g, inner)
	cancel()
	helpers.Wait() // nobody publishes any more
	l.streams.server.RemoveStream(name)
	return nil
}

// feedRecords starts what the tab asked for besides its view.
func (l *Live) feedRecords(ctx context.Context, helpers *sync.WaitGroup, sub *Subscriber, o StreamOptions) {
	if o.Latest {
		stop := l.watchLatest(sub)
		helpers.Go(func() { <-ctx.Done(); stop() })
	}
	src := l.recordSource()
	if o.Tail == "" || src == nil {
		return
	}
	helpers.Go(func() {
		err := src.TailRecords(ctx, o.Tail, func(r RecordView) {
			sub.offerRecords(RecordBatch{Records: []RecordView{r}, Hidden: r.Skipped})
		})
		if err != nil && ctx.Err() == nil {
			sub.offerRecords(RecordBatch{Error: err.Error()})
		}
	})
}

// pump takes what the mailbox holds and publishes it as fast as the reader
// reads.
type pump struct {
	sub       *Subscriber
	guard     *guard
	cancel    context.CancelFunc
	heartbeat time.Duration
	publish   func(*sse.Event) bool
	lastID    uint64
	sent      uint64
}

func (p *pump) run(ctx context.Context) {
	select {
	case <-p.guard.opened: // the library has subscribed the request
	case <-ctx.Done():
		return
	}
	quiet := time.NewTimer(p.heartbeat)
	defer quiet.Stop()
	for {
		m, ok := p.sub.next()
		if ok {
			if !p.send(ctx, &sse.Event{Event: []byte(m.event), Data: m.data, ID: p.id(m), Retry: p.retry(m)}) {
				return
			}
			quiet.Reset(p.heartbeat)
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-p.sub.wake:
		case <-quiet.C:
			// The comment keeps proxies from closing; the ping is for the page,
			// which does not see comments.
			if !p.send(ctx, &sse.Event{Event: []byte("ping"), Data: []byte("{}"), ID: p.id(message{}), Comment: []byte("hb")}) {
				return
			}
			quiet.Reset(p.heartbeat)
		}
	}
}

func (p *pump) id(m message) []byte {
	if m.id > 0 {
		p.lastID = m.id
	}
	return strconv.AppendUint(nil, p.lastID, 10)
}

func (p *pump) retry(m message) []byte {
	if m.event != "hello" {
		return nil
	}
	return strconv.AppendInt(nil, retryMillis, 10)
}

// send publishes e once fewer than inFlight events wait to be written.
func (p *pump) send(ctx context.Context, e *sse.Event) bool {
	for p.sent-p.guard.written() >= inFlight {
		select {
		case <-p.guard.progress:
		case <-ctx.Done():
			return false
		}
	}
	if !p.publish(e) { // the queue has room for more than inFlight: the stream is gone
		p.cancel()
		return false
	}
	p.sent++
	return true
}

// guard is the ResponseWriter that the library writes to. It collects the
// pieces of an event and writes them at once, with a deadline; after the first
// error it takes everything and writes nothing, and the request is cancelled,
// so that the library never blocks on a reader who does not read.
type guard struct {
	http.ResponseWriter
	rc      *http.ResponseController
	cancel  context.CancelFunc
	timeout time.Duration

	opened   chan struct{} // closed at the first flush
	progress chan struct{} // cap 1: an event was written

	buf bytes.Buffer
	err error

	mu    sync.Mutex
	count uint64 // events written
	first bool
}

func newGuard(w http.ResponseWriter, cancel context.CancelFunc, timeout time.Duration) *guard {
	return &guard{
		ResponseWriter: w, rc: http.NewResponseController(w), cancel: cancel, timeout: timeout,
		opened: make(chan struct{}), progress: make(chan struct{}, 1), first: true,
	}
}

// Write takes a piece of an event.
func (g *guard) Write(b []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	return g.buf.Write(b)
}

// Flush writes the event that was collected.
func (g *guard) Flush() {
	if g.err == nil {
		g.err = g.write()
		if g.err != nil {
			g.cancel()
		}
	}
	if g.first { // of the headers
		g.first = false
		close(g.opened)
		return
	}
	g.mu.Lock()
	g.count++
	g.mu.Unlock()
	select {
	case g.progress <- struct{}{}:
	default:
	}
}

func (g *guard) write() error {
	if err := g.rc.SetWriteDeadline(time.Now().Add(g.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set the write deadline: %w", err)
	}
	if _, err := g.ResponseWriter.Write(g.buf.Bytes()); err != nil {
		return err
	}
	g.buf.Reset()
	return g.rc.Flush()
}

// release lifts the deadline from the connection, which may serve other
// requests after this one. Where that fails, the connection is gone.
func (g *guard) release() { _ = g.rc.SetWriteDeadline(time.Time{}) }

func (g *guard) written() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.count
}
