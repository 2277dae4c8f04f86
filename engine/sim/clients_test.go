//go:build synctests

package sim_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
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

// TestWorld_RealClientsInVirtualTime shows that the ground is firm on which
// the tests of clusters stand: a producer and a group of two, ten virtual
// minutes, with links that are slowed, cut and reset.
func TestWorld_RealClientsInVirtualTime(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tenMinutes(t, sim.New(seed)) })
		})
	}
}

func tenMinutes(t *testing.T, w *sim.World) {
	const records, every = 600, time.Second
	cluster, err := kfake.NewCluster(kfake.NumBrokers(len(addresses)), kfake.Ports(9092, 9093, 9094), kfake.SeedTopics(6, "beats"),
		kfake.ListenFn(func(_, address string) (net.Listener, error) { return w.Net.Listen(t.Context(), address) }))
	must(t, err)
	defer cluster.Close()

	// An hour is what it may take, not what it takes.
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("an hour has passed"))
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	read := newConsumed()
	for i := range 2 {
		member := client(t, w, kgo.ClientID(fmt.Sprint("member-", i)), kgo.ConsumerGroup("watchers"), kgo.ConsumeTopics("beats"),
			kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
		defer member.Close()
		running.Go(func() { read.poll(ctx, member) })
	}
	producer := client(t, w, kgo.ClientID("wearer"), kgo.DefaultProduceTopic("beats"), kgo.UnknownTopicRetries(-1))
	defer producer.Close()

	troubled, calm := context.WithCancel(ctx)
	running.Go(func() { trouble(troubled, w) })
	for i := range records {
		producer.Produce(ctx, kgo.StringRecord(fmt.Sprint("beat ", i)), func(_ *kgo.Record, err error) {
			if err != nil {
				t.Errorf("beat %d: %v", i, err)
			}
		})
		time.Sleep(every)
	}
	calm()
	w.Net.Heal()
	must(t, producer.Flush(ctx))
	must(t, read.waitFor(ctx, records))
}
