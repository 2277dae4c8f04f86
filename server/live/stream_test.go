package live

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// served returns the address of a server that streams l.
func served(t *testing.T, l *Live, configure func(*httptest.Server)) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		after, _ := strconv.ParseUint(q.Get("after"), 10, 63) // absent is 0
		err := l.Stream(w, r, StreamOptions{View: q.Get("view"), Tail: q.Get("tail"), Latest: q.Get("latest") == "1", After: after})
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}))
	if configure != nil {
		configure(s)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

// sseEvent is one event as a browser would dispatch it.
type sseEvent struct{ name, id, data, comment string }

// tab is a page with its stream.
type tab struct {
	body   io.ReadCloser
	lines  *bufio.Reader
	header http.Header
	status int
}

// open opens a stream as a browser does.
func open(t *testing.T, url, lastID string) *tab {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: tr}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = res.Body.Close(); tr.CloseIdleConnections() })
	return &tab{res.Body, bufio.NewReader(res.Body), res.Header, res.StatusCode}
}

// next reads one event; an error means that the stream ended.
func (b *tab) next() (e sseEvent, err error) {
	for {
		line, err := b.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			e.data += value
		case "":
			if line == "" {
				return e, nil
			}
			e.comment = value
		}
	}
}

// until reads up to the first event of that name.
func (b *tab) until(t *testing.T, name string) sseEvent {
	t.Helper()
	for {
		e, err := b.next()
		if err != nil {
			t.Fatalf("the stream ended before %q: %v", name, err)
		}
		if e.name == name {
			return e
		}
	}
}

func TestStream_HelloThenFramesAndEvents(t *testing.T) {
	f := fake{event.New()}
	f.topic("orders", 3)
	l := started(t, f.hub, Options{Build: "b1"})
	b := open(t, served(t, l, nil)+"?view=cluster", "")
	if got := b.header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	if b.header.Get("Cache-Control") != "no-cache, no-transform" || b.header.Get("X-Accel-Buffering") != "no" {
		t.Errorf("headers: %v", b.header)
	}
	m := decode[Model](t, []byte(b.until(t, "hello").data))
	if m.Schema != Schema || m.Build != "b1" || len(m.Partitions) != 3 {
		t.Errorf("hello: %+v", m)
	}
	f.produce("app", "orders", 1, 5)
	if _, err := DecodeFrame([]byte(b.until(t, "frame").data)); err != nil {
		t.Error(err)
	}
	seq := f.hub.Emit(event.State{Kind: event.TopicCreated, Topic: "new\nevent: evil", A: 1, Broker: -1, Partition: -1})
	e := b.until(t, "state")
	for e.id != fmt.Sprint(seq) {
		e = b.until(t, "state")
	}
	if s := decode[StateEvent](t, []byte(e.data)); s.Seq != seq || s.Topic != "new\nevent: evil" {
		t.Errorf("state: %+v", s)
	}
	if e := b.until(t, "frame"); e.id != fmt.Sprint(seq) {
		t.Errorf("a frame carries id %q, which would make the browser forget %d", e.id, seq)
	}
}

func TestStream_LastEventID(t *testing.T) {
	hub := event.New()
	for i := range 10 {
		hub.Emit(event.State{Kind: event.TopicCreated, Topic: topicName(i), Broker: -1, Partition: -1})
	}
	l := started(t, hub, Options{})
	l.pushEvents(time.Now())
	url := served(t, l, nil)
	for _, c := range []struct {
		name, query, header string
		first               string
	}{
		{"header", "", "7", "8"},
		{"query, from a page that came back by itself", "?after=8", "", "9"},
		{"header goes before query", "?after=2", "9", "10"},
		{"no number is a new reader, not an error", "", "mine-1", "1"},
		{"negative", "", "-4", "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := open(t, url+c.query, c.header)
			if b.status != http.StatusOK {
				t.Fatalf("status %d", b.status)
			}
			if e := b.until(t, "state"); e.id != c.first {
				t.Errorf("the first event has id %s, not %s", e.id, c.first)
			}
		})
	}
}

func TestStream_HeartbeatIsSeenByProxyAndPage(t *testing.T) {
	l := started(t, event.New(), Options{Heartbeat: 20 * time.Millisecond})
	b := open(t, served(t, l, nil), "")
	if e := b.until(t, "ping"); e.comment != "hb" {
		t.Errorf("ping: %+v", e)
	}
}

func TestStream_OutlivesTheServersReadTimeout(t *testing.T) {
	const timeout = 50 * time.Millisecond
	l := started(t, event.New(), Options{Heartbeat: timeout})
	b := open(t, served(t, l, func(s *httptest.Server) { s.Config.ReadTimeout = timeout }), "")
	for range 6 {
		b.until(t, "ping")
	}
}

func TestStream_RefusesMoreThanItsLimit(t *testing.T) {
	l := started(t, event.New(), Options{MaxStreams: 2})
	url := served(t, l, nil)
	a, b := open(t, url, ""), open(t, url, "")
	a.until(t, "hello")
	b.until(t, "hello")
	if c := open(t, url, ""); c.status != http.StatusServiceUnavailable {
		t.Errorf("the third stream got status %d", c.status)
	}
	_ = a.body.Close()
	eventually(t, "a place is free again", func() bool { return l.Streams() < 2 })
	if c := open(t, url, ""); c.status != http.StatusOK {
		t.Errorf("after one left: status %d", c.status)
	}
}

// eventually waits for what another goroutine is about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		runtime.Gosched()
		time.Sleep(time.Millisecond)
	}
}

func TestStream_CloseWithTabsOpenLeavesNothing(t *testing.T) {
	f := fake{event.New()}
	f.topic("orders", 3)
	l := New(f.hub, quiet(Options{}))
	l.Start()
	url := served(t, l, nil)
	var tabs []*tab
	for range 20 {
		b := open(t, url+"?view=cluster", "")
		b.until(t, "hello")
		tabs = append(tabs, b)
	}
	l.Close()
	for _, b := range tabs {
		if _, err := io.Copy(io.Discard, b.lines); err != nil {
			t.Errorf("the stream did not end cleanly: %v", err)
		}
	}
	if n := l.Streams(); n != 0 {
		t.Errorf("%d streams after Close", n)
	}
	if _, err := l.Subscribe(ViewCluster, 0); err == nil {
		t.Error("Subscribe works after Close")
	}
	l.Close() // twice is once
}

func TestStream_AThousandTabsComeAndGo(t *testing.T) {
	f := fake{event.New()}
	f.topic("orders", 6)
	l := started(t, f.hub, Options{})
	url := served(t, l, nil)
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			tr := &http.Transport{DisableKeepAlives: true}
			defer tr.CloseIdleConnections()
			for range 100 {
				comeAndGo(t, &http.Client{Transport: tr}, url)
			}
		})
	}
	wg.Wait()
	eventually(t, "all streams are gone", func() bool { return l.Streams() == 0 })
	eventually(t, "the goroutines are back to what they were", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func comeAndGo(t *testing.T, c *http.Client, url string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"?view=cluster", nil)
	if err != nil {
		t.Error(err)
		return
	}
	res, err := c.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil {
		t.Error(err)
	}
	cancel()
	_ = res.Body.Close()
}

// chatty is a source whose tail never stops talking, so that a reader that
// stalls fills every buffer on the way soon.
type chatty struct{}

func (chatty) ReadRecords(context.Context, string, int32, int64, int) ([]RecordView, error) {
	return nil, nil
}

func (chatty) TailRecords(ctx context.Context, topic string, fn func(RecordView)) error {
	value := strings.Repeat("x", 8<<10)
	for ctx.Err() == nil {
		fn(RecordView{Topic: topic, Value: value})
		runtime.Gosched()
	}
	return nil
}

func TestStream_AReaderThatStallsIsDroppedAndHarmsNobody(t *testing.T) {
	f := fake{event.New()}
	f.topic("orders", 3)
	l := started(t, f.hub, Options{WriteTimeout: 200 * time.Millisecond})
	l.ReadRecordsFrom(chatty{})
	url := served(t, l, func(s *httptest.Server) {
		s.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			_ = c.(*net.TCPConn).SetWriteBuffer(4 << 10) // only makes the test quicker
			return ctx
		}
	})
	before := runtime.NumGoroutine()
	stalled, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer stalled.Close()
	_ = stalled.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := fmt.Fprintf(stalled, "GET /?view=cluster&tail=orders HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stalled reader has joined", func() bool { return l.Streams() == 1 })
	healthy := open(t, url+"?view=cluster", "")
	healthy.until(t, "hello")
	f.produce("app", "orders", 0, 1)
	last := uint64(0)
	for l.Streams() == 2 { // until the stalled one is dropped, the healthy one misses nothing
		seq := f.hub.Emit(event.State{Kind: event.SegmentRolled, Topic: "orders"})
		for last < seq {
			e, err := healthy.next()
			if err != nil {
				t.Fatal(err)
			}
			if id, _ := strconv.ParseUint(e.id, 10, 64); e.name == "state" || e.name == "burst" {
				last = id
			}
		}
	}
	if l.Streams() != 1 {
		t.Fatalf("%d streams", l.Streams())
	}
	if _, err := healthy.next(); err != nil {
		t.Fatalf("the healthy reader was dropped too: %v", err)
	}
	_ = healthy.body.Close()
	eventually(t, "all streams are gone", func() bool { return l.Streams() == 0 })
	eventually(t, "the goroutines are back to what they were", func() bool { return runtime.NumGoroutine() <= before+2 })
}

func TestStream_TailAndItsFailure(t *testing.T) {
	l := started(t, event.New(), Options{})
	l.ReadRecordsFrom(failing{})
	b := open(t, served(t, l, nil)+"?tail=orders", "")
	var got RecordBatch
	for got.Error == "" {
		e := decode[RecordBatch](t, []byte(b.until(t, "record").data))
		got.Records = append(got.Records, e.Records...)
		got.Error = e.Error
	}
	if len(got.Records) != 1 || got.Records[0].Value != "one" || got.Error != "the topic is gone" {
		t.Errorf("tail: %+v", got)
	}
}

type failing struct{}

func (failing) ReadRecords(context.Context, string, int32, int64, int) ([]RecordView, error) {
	return nil, fmt.Errorf("the broker is gone")
}

func (failing) TailRecords(_ context.Context, topic string, fn func(RecordView)) error {
	fn(RecordView{Topic: topic, Value: "one"})
	return fmt.Errorf("the topic is gone")
}
