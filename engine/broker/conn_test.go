package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sync/semaphore"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// frameOf puts the size in front of a request's bytes.
func frameOf(b ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// headerOf is a request header of version 1 without a client id.
func headerOf(key, version int16) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	return append(b, 0, 0, 0, 7, 0xff, 0xff)
}

func TestConn_ClosesOnWhatIsNoRequest(t *testing.T) {
	n := startNode(t, nodeOptions{})
	size := func(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
	huge := append(size(99<<20), headerOf(3, 1)...)
	cases := map[string]struct {
		bytes []byte
		log   string
	}{
		"a negative length":               {size(0xffffffff), "a frame of -1 bytes"},
		"a length of nothing":             {size(0), "a frame of 0 bytes"},
		"a length too short for a header": {append(size(7), make([]byte, 7)...), "a frame of 7 bytes"},
		"a length above the limit":        {size(101 << 20), "a frame of 105906176 bytes"},
		"HTTP":                            {[]byte("GET / HTTP/1.1\r\n\r\n"), "which looks like HTTP"},
		"TLS":                             {[]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0}, "which looks like TLS"},
		"an unknown key":                  {frameOf(headerOf(999, 0)...), "key 999"},
		"a negative key":                  {frameOf(headerOf(-1, 0)...), "key -1"},
		"an old version":                  {frameOf(headerOf(0, 2)...), "Produce version 2"},
		"a version to come":               {frameOf(headerOf(1, 99)...), "Fetch version 99"},
		"a negative version":              {frameOf(headerOf(3, -1)...), "Metadata version -1"},
		"a frame above the key's limit":   {huge, "Metadata of 103809024 bytes"},
		"a client id that is cut off":     {frameOf(0, 3, 0, 1, 0, 0, 0, 7, 0, 9, 'x'), "header is cut off"},
		"no client id at all":             {frameOf(0, 3, 0, 1, 0, 0, 0, 7), "header is cut off"},
		"a count that lies":               {frameOf(append(headerOf(3, 1), 0x7f, 0xff, 0xff, 0xff)...), "a length or count says more"},
		"four billion tags":               {frameOf(append(headerOf(18, 3), 0, 2, 'x', 2, 'y', 0xff, 0xff, 0xff, 0xff, 0x0f)...), "tagged fields"},
		"four billion tags in the header": {frameOf(append(headerOf(18, 3), 0xff, 0xff, 0xff, 0xff, 0x0f)...), "header is cut off"},
		"a null where none may be":        {frameOf(append(headerOf(2, 1), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0)...), "ListOffsets"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			n.broker.noise = noise{}
			r := n.dial()
			_, err := r.nc.Write(c.bytes)
			must(t, err)
			if !r.closedByPeer() {
				t.Fatal("the connection is still open, or was answered")
			}
			if !strings.Contains(n.log.String(), c.log) {
				t.Errorf("no log line has %q:\n%s", c.log, n.log)
			}
		})
	}
	if resp := n.dial().ask(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse); resp.ErrorCode != 0 {
		t.Fatalf("the broker answers nobody any more: %d", resp.ErrorCode)
	}
}

// Each request of each key, cut at each byte, must end with a closed connection
// or wait for the rest, and harm nobody.
func TestConn_SurvivesTruncationAtEachByte(t *testing.T) {
	n := startNode(t, nodeOptions{})
	for _, a := range byKey {
		if a == nil {
			continue
		}
		req := a.key.Request()
		req.SetVersion(a.max)
		whole := kmsg.NewRequestFormatter().AppendRequest(nil, req, 1)
		for cut := 5; cut < len(whole); cut++ {
			r := n.dial()
			short := bytes.Clone(whole[:cut])
			binary.BigEndian.PutUint32(short, uint32(cut-4))
			_, err := r.nc.Write(short)
			must(t, err)
			if a.key == kmsg.ApiVersions && cut < len(whole) && cut > 8 {
				// may be answered
				_ = r.nc.Close()
				continue
			}
			if !r.closedByPeer() {
				t.Fatalf("%s cut to %d of %d bytes is answered", a.name(), cut, len(whole))
			}
			_ = r.nc.Close()
		}
	}
}

func TestConn_TakesAFrameInAnyPieces(t *testing.T) {
	n := startNode(t, nodeOptions{})
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	for range 200 { // above the inline buffer
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(strings.Repeat("x", 20))
		req.Topics = append(req.Topics, topic)
	}
	for _, piece := range []int{1, 7, 511, 512, 513, 4096} {
		r := n.dial()
		b := r.fmt.AppendRequest(nil, req, 1)
		b = append(b, r.fmt.AppendRequest(nil, req, 2)...) // and one right behind it
		for len(b) > 0 {
			k := min(piece, len(b))
			_, err := r.nc.Write(b[:k])
			must(t, err)
			b = b[k:]
		}
		for id := range int32(2) {
			resp := r.receive(req, id+1).(*kmsg.MetadataResponse)
			if len(resp.Topics) != 200 {
				t.Fatalf("pieces of %d: %d topics", piece, len(resp.Topics))
			}
		}
	}
}

func TestApiVersions(t *testing.T) {
	n := startNode(t, nodeOptions{})
	for v := int16(0); v <= 4; v++ {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version, req.ClientSoftwareName, req.ClientSoftwareVersion = v, "kgo", "v1.2"
		resp := n.dial().ask(req).(*kmsg.ApiVersionsResponse)
		if resp.ErrorCode != 0 || len(resp.ApiKeys) != len(apis) {
			t.Errorf("version %d: error %d, %d keys of %d", v, resp.ErrorCode, len(resp.ApiKeys), len(apis))
		}
	}
	for _, v := range []int16{5, 99, -1} {
		t.Run(fmt.Sprint("version ", v, " is answered in the layout of version 0"), func(t *testing.T) {
			r := n.dial()
			b := binary.BigEndian.AppendUint16(nil, 18)
			b = binary.BigEndian.AppendUint16(b, uint16(v))
			_, err := r.nc.Write(frameOf(append(b, 0, 0, 0, 7, 0xff, 0xff, 1, 2, 3)...))
			must(t, err)
			resp := r.receive(kmsg.NewPtrApiVersionsRequest(), 7).(*kmsg.ApiVersionsResponse)
			if resp.ErrorCode != kerr.UnsupportedVersion.Code || len(resp.ApiKeys) != 1 || resp.ApiKeys[0].MaxVersion != 4 {
				t.Fatalf("got %+v", resp)
			}
			if ok := r.ask(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse); ok.ErrorCode != 0 {
				t.Fatalf("asked again: error %d", ok.ErrorCode)
			}
		})
	}
	bad := kmsg.NewPtrApiVersionsRequest()
	bad.Version, bad.ClientSoftwareName, bad.ClientSoftwareVersion = 3, "<script>", "1"
	if resp := n.dial().ask(bad).(*kmsg.ApiVersionsResponse); resp.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("a software name that is none gets error %d", resp.ErrorCode)
	}
}

func TestBroker_LimitsConnections(t *testing.T) {
	n := startNode(t, nodeOptions{limits: Limits{MaxConnections: 3, MaxConnectionsPerIP: 2}})
	a, b := n.dial(), n.dial()
	a.ask(kmsg.NewPtrApiVersionsRequest())
	b.ask(kmsg.NewPtrApiVersionsRequest())
	if !n.dial().closedByPeer() {
		t.Fatal("a third connection of one address is served")
	}
	a.ask(kmsg.NewPtrApiVersionsRequest())
	if got := n.hub.Connections(1).Load(); got != 2 {
		t.Fatalf("the gauge says %d connections", got)
	}
}

func TestBroker_CloseCutsWhatDoesNotEnd(t *testing.T) {
	n := startNode(t, nodeOptions{fs: vfs.NewMem()})
	r := n.dial()
	r.ask(kmsg.NewPtrApiVersionsRequest())
	_, err := r.nc.Write([]byte{0, 0, 1, 0, 0}) // half a request
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, n.broker.Close(ctx))
	if !r.closedByPeer() {
		t.Fatal("the connection outlived the broker")
	}
}

// pieceConn gives out bytes in pieces whose sizes it is told.
type pieceConn struct {
	fakeConn
	b     []byte
	piece int
}

func FuzzFrame(f *testing.F) {
	whole := kmsg.NewRequestFormatter(kmsg.FormatterClientID("x")).AppendRequest(nil, kmsg.NewPtrMetadataRequest(), 1)
	f.Add(whole, uint8(1))
	f.Add(append(bytes.Clone(whole), whole...), uint8(200))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(9))
	f.Add(append([]byte{0, 1, 0, 0}, make([]byte, 70_000)...), uint8(255))
	limits := Limits{MaxRequestBytes: 1 << 20}.withDefaults()
	f.Fuzz(func(t *testing.T, b []byte, piece uint8) {
		memory := semaphore.NewWeighted(int64(limits.QueuedRequestBytes))
		r := frameReader{nc: &pieceConn{b: b, piece: int(piece) + 1}, limits: &limits, memory: memory}
		for at := 0; ; {
			fr, err := r.next(context.Background(), context.Background(), func([]byte, int) (bool, error) { return piece%2 == 0, nil })
			if err != nil {
				break
			}
			if want := b[at+4 : at+4+len(fr.b)]; !bytes.Equal(fr.b, want) {
				t.Fatalf("the frame at %d is not what was sent", at)
			}
			if cap(fr.b) > 4*max(len(fr.b), freeFrame) {
				t.Fatalf("%d bytes of memory for a frame of %d", cap(fr.b), len(fr.b))
			}
			at += 4 + len(fr.b)
			for _, flexible := range []bool{false, true} {
				_, _, _ = parseHeader(fr.b, flexible, "x") // must not panic
			}
			r.release(fr)
		}
		if !memory.TryAcquire(int64(limits.QueuedRequestBytes)) {
			t.Fatal("memory was not given back")
		}
	})
}

func (c *pieceConn) Read(p []byte) (int, error) {
	if len(c.b) == 0 {
		return 0, errCut
	}
	n := copy(p[:min(len(p), c.piece)], c.b)
	c.b = c.b[n:]
	return n, nil
}

// fakeConn is a net.Conn that only has deadlines.
type fakeConn struct{ net.Conn }

func (fakeConn) SetReadDeadline(time.Time) error { return nil }

// A handler that panics costs its own connection, and no memory.
func TestConn_PanicHarmsNobodyElse(t *testing.T) {
	for name, h := range map[string]handler{
		"reading": func(*Broker, *request) reply { panic("on purpose") },
		"answering": func(*Broker, *request) reply {
			return park(func(context.Context) kmsg.Response { panic("on purpose") })
		},
	} {
		t.Run(name, func(t *testing.T) {
			ordinary := lookup(3).handle
			lookup(3).handle = h
			n := startNode(t, nodeOptions{})
			n.panics = true
			r, other := n.dial(), n.dial()
			r.send(kmsg.NewPtrMetadataRequest())
			if !r.closedByPeer() {
				t.Fatal("the connection is open")
			}
			if other.ask(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse).ErrorCode != 0 {
				t.Fatal("another connection suffers")
			}
			n.close()
			lookup(3).handle = ordinary
			if !strings.Contains(n.log.String(), "on purpose") {
				t.Error("nothing is logged")
			}
			if !n.broker.memory.TryAcquire(int64(n.broker.limits.QueuedRequestBytes)) {
				t.Error("memory was lost")
			}
		})
	}
}

// A length that is only claimed takes no memory from others.
func TestConn_ClaimsTakeNoMemory(t *testing.T) {
	n := startNode(t, nodeOptions{})
	for range 64 {
		r := n.dial()
		claim := binary.BigEndian.AppendUint32(nil, 100<<20)
		_, err := r.nc.Write(append(append(claim, headerOf(0, 9)...), make([]byte, 2000)...))
		must(t, err)
	}
	topic := n.createTopic("t", 1)
	got := n.dial().produce(produceRequest(9, topic, 0, -1, records(batch.BuilderOptions{}, 1, 500_000)))
	must(t, kerr.ErrorForCode(got.ErrorCode))
	must(t, waitFor(func() bool {
		all := int64(n.broker.limits.QueuedRequestBytes)
		if !n.broker.memory.TryAcquire(all) {
			return false
		}
		n.broker.memory.Release(all)
		return true
	}))
}

// waitFor polls what another goroutine is about to do.
func waitFor(done func() bool) error {
	for range 1000 {
		if done() {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return context.DeadlineExceeded
}

func TestConn_WaitsForMemory(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		topic := n.createTopic("t", 1)
		all := int64(n.broker.limits.QueuedRequestBytes)
		must(t, n.broker.memory.Acquire(t.Context(), all))
		req := produceRequest(9, topic, 0, -1, records(batch.BuilderOptions{}, 1, 500_000))
		small := n.dial()
		patient, late := n.dial(), n.dial()
		var id int32
		go func() { id = patient.send(req) }()
		time.Sleep(10 * time.Second)
		small.ask(kmsg.NewPtrApiVersionsRequest()) // small requests go on
		if end := n.partition("t", 0).End(); end != 0 {
			t.Fatal("a request was read without memory for it")
		}
		n.broker.memory.Release(all)
		synctest.Wait()
		if p := patient.receive(req, id).(*kmsg.ProduceResponse).Topics[0].Partitions[0]; p.ErrorCode != 0 {
			t.Fatalf("got %+v", p)
		}
		must(t, n.broker.memory.Acquire(t.Context(), all))
		started := time.Now()
		go func() { _, _ = late.nc.Write(late.fmt.AppendRequest(nil, req, 1)) }()
		if _, err := late.nc.Read(make([]byte, 1)); err == nil || time.Since(started) < 30*time.Second {
			t.Fatalf("%v after %v", err, time.Since(started))
		}
		if !strings.Contains(n.log.String(), "no free memory") {
			t.Errorf("the log does not say why:\n%s", n.log)
		}
		n.broker.memory.Release(all)
	})
}

// A client that does not read costs one answer and is gone after WriteTimeout.
func TestConn_ClientsThatNeverReadAreCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		topic := n.createTopic("t", 1)
		n.write(topic, 0, 10, 900_000)
		r := n.dial()
		for i := range int32(20) {
			_, err := r.nc.Write(r.fmt.AppendRequest(nil, fetchRequest(13, want{topic: topic}), i))
			must(t, err)
		}
		time.Sleep(29 * time.Second)
		if got := n.hub.Connections(1).Load(); got != 1 {
			t.Fatalf("%d connections", got)
		}
		time.Sleep(10 * time.Second) // it took some bytes at first, and time is told in quarters
		if got := n.hub.Connections(1).Load(); got != 0 {
			t.Fatalf("%d connections after the time-out", got)
		}
	})
}
