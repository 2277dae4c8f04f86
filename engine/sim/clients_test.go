//go:build synctests

package sim_test

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// addresses are those of the brokers.
var addresses = []string{"127.0.0.1:9092", "127.0.0.1:9093", "127.0.0.1:9094"}

// client returns a franz-go client in the world, with some patience and short waits.
func client(t *testing.T, w *sim.World, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addresses...), kgo.Dialer(w.Dialer(netx.Loopback)), kgo.DialTimeout(5 * time.Second),
	}, opts...)...)
	must(t, err)
	return c
}

// consumed is what the members of a group have read: how often each value.
type consumed struct {
	mu     sync.Mutex
	values map[string]int
	more   chan struct{} // one is in it when values have changed
}

func newConsumed() *consumed {
	return &consumed{values: map[string]int{}, more: make(chan struct{}, 1)}
}

// poll reads with a client until it is closed.
func (c *consumed) poll(ctx context.Context, member *kgo.Client) {
	for {
		fetches := member.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		c.mu.Lock()
		fetches.EachRecord(func(r *kgo.Record) { c.values[string(r.Value)]++ })
		c.mu.Unlock()
		select {
		case c.more <- struct{}{}:
		default:
		}
	}
}

// waitFor waits until n different values were read.
func (c *consumed) waitFor(ctx context.Context, n int) error {
	for {
		c.mu.Lock()
		have := len(c.values)
		c.mu.Unlock()
		if have >= n {
			return nil
		}
		select {
		case <-c.more:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d records were read: %w", have, n, context.Cause(ctx))
		}
	}
}

// trouble makes trouble on the links to the brokers until ctx ends.
func trouble(ctx context.Context, w *sim.World) {
	rng := w.Rand("trouble")
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(rng.Int64N(int64(20 * time.Second)))):
		}
		broker := addresses[rng.IntN(len(addresses))]
		switch rng.IntN(4) {
		case 0:
			w.Net.Reset(netx.Loopback, broker)
		case 1:
			w.Net.SetLink(netx.Loopback, broker, netx.Link{Latency: time.Duration(rng.Int64N(int64(300 * time.Millisecond)))})
		case 2:
			w.Net.SetLink(netx.Loopback, broker, netx.Link{Cut: true})
		case 3:
			w.Net.Heal()
		}
	}
}

// calm is how long clients may take to come to rest after trouble: what it may
// take, not what it takes.
const calm = time.Hour

// workload is a producer and a group of two that reads what it produces.
type workload struct {
	producer *kgo.Client
	members  []*kgo.Client
	read     *consumed
	running  sync.WaitGroup
}

// startWorkload starts the group and returns the producer. The topic exists.
func startWorkload(t *testing.T, ctx context.Context, w *sim.World, topic string) *workload {
	t.Helper()
	load := &workload{read: newConsumed()}
	for i := range 2 {
		member := client(t, w, kgo.ClientID(fmt.Sprint("member-", i)), kgo.ConsumerGroup("watchers"), kgo.ConsumeTopics(topic),
			kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
		load.members = append(load.members, member)
		load.running.Go(func() { load.read.poll(ctx, member) })
	}
	load.producer = client(t, w, kgo.ClientID("wearer"), kgo.DefaultProduceTopic(topic))
	return load
}

// stop ends all clients; once is enough, and more do no harm.
func (l *workload) stop() {
	l.producer.Close()
	for _, member := range l.members {
		member.Close()
	}
	l.running.Wait()
}

// beat produces n records, one a second, the last of them being number first+n-1.
func (l *workload) beat(t *testing.T, ctx context.Context, first, n int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		l.producer.Produce(ctx, kgo.StringRecord(fmt.Sprint("beat ", i)), func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("beat %d: %v", i, err)
			}
		})
		time.Sleep(time.Second)
	}
}

// seeds is how many seeds each test is run with; -run .../seed_N picks one.
var seeds = flag.Uint64("seeds", 5, "how many seeds to run each simulation with")

// each runs a test in a bubble for each of the seeds.
func each(t *testing.T, test func(t *testing.T, ctx context.Context, w *sim.World)) {
	n := *seeds
	if testing.Short() {
		n = min(n, 2)
	}
	for seed := range n {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeoutCause(t.Context(), calm, fmt.Errorf("%v have passed", calm))
				defer cancel()
				test(t, ctx, sim.New(seed))
			})
		})
	}
}

// troubledMinutes is ten minutes of a workload with trouble on the links, after
// which every record must have been read.
func troubledMinutes(t *testing.T, ctx context.Context, w *sim.World, topic string) {
	const records = 600
	load := startWorkload(t, ctx, w, topic)
	defer load.stop()
	troubled, peace := context.WithCancel(ctx)
	defer peace()
	load.running.Go(func() { trouble(troubled, w) })
	load.beat(t, ctx, 0, records)
	peace()
	w.Net.Heal()
	must(t, load.producer.Flush(ctx))
	must(t, load.read.waitFor(ctx, records))
}
