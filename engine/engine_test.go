package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func loopback(brokers int) engine.Config {
	return engine.Config{Brokers: brokers, Memory: true, Listeners: []engine.Listener{{Name: "EXTERNAL", Bind: "127.0.0.1:0"}}}
}

func open(t *testing.T, cfg engine.Config) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, e) })
	return e
}

func shut(t *testing.T, e *engine.Engine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func client(t *testing.T, e *engine.Engine, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(e.Bootstrap()...)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestEngine_ProducersAndAGroupMeetOnThreeBrokers(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e := open(t, loopback(3))
	if err := e.Ready(); err != nil {
		t.Fatal(err)
	}
	producer := client(t, e, kgo.ClientID("writer"))
	if _, err := kadm.NewClient(producer).CreateTopic(ctx, 6, -1, nil, "orders"); err != nil {
		t.Fatal(err)
	}
	const n = 1000
	for i := range n {
		producer.Produce(ctx, &kgo.Record{Topic: "orders", Key: fmt.Appendf(nil, "%d", i%20), Value: fmt.Appendf(nil, "%d", i)},
			func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
	}
	if err := producer.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	last := make(map[string]int) // by key: order within a partition
	reader := client(t, e, kgo.ClientID("reader"), kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("orders"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	for len(seen) < n {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			seen[string(r.Value)]++
			var i int
			if _, err := fmt.Sscan(string(r.Value), &i); err != nil {
				t.Error(err)
			}
			if prev, ok := last[string(r.Key)]; ok && prev >= i {
				t.Errorf("key %s: %d after %d", r.Key, i, prev)
			}
			last[string(r.Key)] = i
		})
	}
	if err := reader.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
	checkCounted(t, e.Events(), n)
}

// checkCounted holds the counters of the hub against what the clients did.
func checkCounted(t *testing.T, hub *event.Hub, n int64) {
	t.Helper()
	var in, out, written, read, committed int64
	leaders := map[int32]bool{}
	for _, p := range hub.Partitions() {
		if p.Topic == "orders" {
			in += p.RecordsIn.Load()
			out += p.RecordsOut.Load()
			leaders[p.Broker] = true
			if p.HighWatermark.Load() != p.LogEnd.Load() {
				t.Errorf("partition %d: high watermark %d, log end %d", p.Partition, p.HighWatermark.Load(), p.LogEnd.Load())
			}
		}
	}
	for _, l := range hub.Links() {
		switch {
		case l.Topic != "orders":
		case l.Direction == event.Produce && l.ClientID == "writer":
			written += l.Records.Load()
		case l.Direction == event.Fetch && l.ClientID == "reader":
			read += l.Records.Load()
		}
	}
	for _, g := range hub.Groups() {
		if g.Group == "readers" && g.Topic == "orders" {
			committed += g.Committed.Load()
		}
	}
	if in != n || written != n || out < n || read != out || committed != n || len(leaders) != 3 {
		t.Errorf("in %d, written %d, out %d, read %d, committed %d of %d, on %d brokers", in, written, out, read, committed, n, len(leaders))
	}
}

func TestOpen_RefusesWholly(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	dir := t.TempDir()
	held := engine.Config{Brokers: 3, DataDir: dir, Listeners: loopback(1).Listeners}
	first := open(t, held)

	var listen *engine.ListenError
	taken := loopback(1)
	taken.Listeners[0].Bind = busy.Addr().String()
	if _, err := engine.Open(t.Context(), taken); !errors.As(err, &listen) || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a busy port gives %v", err)
	}
	var data *engine.DataError
	if _, err := engine.Open(t.Context(), held); !errors.As(err, &data) || !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("a folder in use gives %v", err)
	}
	if _, err := kadm.NewClient(client(t, first)).CreateTopic(t.Context(), 3, -1, nil, "spread"); err != nil {
		t.Fatal(err)
	}
	shut(t, first)
	fewer := held
	fewer.Brokers = 2
	if _, err := engine.Open(t.Context(), fewer); !errors.As(err, &data) || !strings.Contains(err.Error(), "broker 3") {
		t.Errorf("too few brokers give %v", err)
	}
	for name, bad := range map[string]engine.Config{
		"no brokers":   loopback(0),
		"too many":     loopback(engine.MaxBrokers + 1),
		"no listener":  {Brokers: 1, Memory: true},
		"no disk":      {Brokers: 1, Listeners: loopback(1).Listeners},
		"no such port": {Brokers: 1, Memory: true, Listeners: []engine.Listener{{Name: "X", Bind: "127.0.0.1:x"}}},
	} {
		if e, err := engine.Open(t.Context(), bad); err == nil {
			t.Errorf("%s: opened", name)
			shut(t, e)
		}
	}
	open(t, held) // nothing of the failed attempts is in the way
}
