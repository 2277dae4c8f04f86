package engine_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logarium/logarium/engine"
)

// load is a producer that goes on whatever happens, and what it was told.
type load struct {
	t      *testing.T
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	acked int // values 0 to sent-1 of which so many are acknowledged
	sent  int
}

const partitions = 6

// startLoad makes a topic of three replicas and produces to it, acks=all.
func startLoad(t *testing.T, e *engine.Engine, topic string) *load {
	t.Helper()
	l := &load{t: t, done: make(chan struct{})}
	l.client = client(t, e, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
	two := "2"
	if _, err := kadm.NewClient(l.client).CreateTopic(t.Context(), partitions, 3, map[string]*string{"min.insync.replicas": &two}, topic); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	l.stop = stop
	go l.run(ctx)
	return l
}

func (l *load) run(ctx context.Context) {
	defer close(l.done)
	for ctx.Err() == nil {
		value := fmt.Appendf(nil, "%09d", l.sent)
		l.client.Produce(context.WithoutCancel(ctx), &kgo.Record{Partition: int32(l.sent % partitions), Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				l.t.Errorf("%s: %v", value, err)
				return
			}
			l.mu.Lock()
			l.acked++
			l.mu.Unlock()
		})
		l.sent++
		time.Sleep(200 * time.Microsecond)
	}
}

// more waits until n more records are acknowledged, and says how long it took.
func (l *load) more(n int) time.Duration {
	l.t.Helper()
	started := time.Now()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.acked
	}
	want := count() + n
	for count() < want {
		if time.Since(started) > 30*time.Second {
			l.t.Fatalf("no %d more records were acknowledged in 30 s", n)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(started)
}

// check ends the load and reads everything back: all of it is there, once, and
// in order.
func (l *load) check(e *engine.Engine, topic string) {
	l.t.Helper()
	l.stop()
	<-l.done
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	if err := l.client.Flush(ctx); err != nil {
		l.t.Fatal(err)
	}
	if l.acked != l.sent {
		l.t.Fatalf("%d of %d records are acknowledged", l.acked, l.sent)
	}
	reader := client(l.t, e, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	next := make([]int, partitions)
	for i := range next {
		next[i] = i
	}
	for seen := 0; seen < l.sent; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			l.t.Fatalf("%v after %d of %d records", err, seen, l.sent)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if want := fmt.Sprintf("%09d", next[r.Partition]); string(r.Value) != want {
				l.t.Fatalf("partition %d, offset %d: %s instead of %s", r.Partition, r.Offset, r.Value, want)
			}
			next[r.Partition] += partitions
			seen++
		})
	}
}

// inSync waits until every partition has all its replicas in sync, and, with
// preferred, its first replica as leader.
func inSync(t *testing.T, e *engine.Engine, topic string, preferred bool) {
	t.Helper()
	admin := kadm.NewClient(client(t, e))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		topics, err := admin.ListTopics(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		missing := ""
		for _, p := range topics[topic].Partitions {
			if len(p.ISR) != 3 || preferred && p.Leader != p.Replicas[0] {
				missing = fmt.Sprintf("%+v", p)
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not in sync: %s", missing)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func start(t *testing.T, e *engine.Engine, id int32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := e.Broker(id).Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// Each broker in turn goes away in each way and comes back while a producer
// goes on: nothing is lost, doubled or reordered, and leaders return.
func TestBroker_EachGoesAndComesBackUnderLoad(t *testing.T) {
	for name, away := range map[string]func(t *testing.T, b *engine.Broker) (back func()){
		"stop": func(t *testing.T, b *engine.Broker) func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := b.Stop(ctx); err != nil {
				t.Fatal(err)
			}
			return nil
		},
		"kill": func(t *testing.T, b *engine.Broker) func() {
			if err := b.Kill(); err != nil {
				t.Fatal(err)
			}
			return nil
		},
		"pause": func(t *testing.T, b *engine.Broker) func() {
			if err := b.Pause(); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := b.Resume(); err != nil {
					t.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := loopback(3)
			cfg.Settings = map[string]string{"leader.imbalance.check.interval.seconds": "1"}
			e := open(t, cfg)
			l := startLoad(t, e, "orders")
			l.more(100)
			for id := int32(1); id <= 3; id++ {
				back := away(t, e.Broker(id))
				took := l.more(300)
				t.Logf("without broker %d: 300 more after %v", id, took)
				if back != nil {
					back()
				} else {
					start(t, e, id)
				}
				l.more(100)
				inSync(t, e, "orders", false)
			}
			inSync(t, e, "orders", true)
			l.check(e, "orders")
		})
	}
}

// What cannot be done in a state is an error that says so, and nothing else.
func TestBroker_States(t *testing.T) {
	e := open(t, loopback(3))
	ctx := t.Context()
	b := e.Broker(2)
	do := map[string]func() error{
		"stop": func() error { return b.Stop(ctx) }, "kill": b.Kill, "pause": b.Pause, "resume": b.Resume,
		"start": func() error { return b.Start(ctx) },
	}
	for _, step := range []struct {
		do   string
		want engine.State
		not  []string // what cannot be done after it
	}{
		{"pause", engine.Paused, []string{"pause", "stop", "start"}},
		{"resume", engine.Running, []string{"resume", "start"}},
		{"stop", engine.Stopped, []string{"stop", "kill", "pause", "resume"}},
		{"start", engine.Running, nil},
		{"kill", engine.Killed, []string{"kill", "stop", "pause", "resume"}},
		{"start", engine.Running, nil},
		{"pause", engine.Paused, nil},
		{"kill", engine.Killed, []string{"resume"}},
		{"start", engine.Running, nil},
	} {
		if err := do[step.do](); err != nil {
			t.Fatalf("%s: %v", step.do, err)
		}
		for _, not := range step.not {
			var wrong *engine.StateError
			if err := do[not](); !errors.As(err, &wrong) {
				t.Errorf("%s after %s: %v", not, step.do, err)
			}
		}
		if state, _ := b.State(); state != step.want {
			t.Fatalf("%s after %s, want %s", state, step.do, step.want)
		}
		if err := e.Ready(); err != nil {
			t.Errorf("a broker that is %s on purpose makes the process unhealthy: %v", step.want, err)
		}
	}
	if e.Broker(0) != nil || e.Broker(4) != nil {
		t.Error("there are brokers that there are not")
	}
	shut(t, e)
	if err := b.Kill(); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
