//go:build synctests

package sim_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/sim"
	"github.com/logarium/logarium/engine/vfs"
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

// openCluster opens three brokers on the world's network and disks.
func openCluster(t *testing.T, w *sim.World) *engine.Engine {
	t.Helper()
	e, err := engine.Open(t.Context(), engine.Config{
		Brokers: len(addresses), Network: w.Net, Listeners: []engine.Listener{{Name: "EXTERNAL", Bind: addresses[0]}},
		FS: func(id int32) (vfs.FS, error) { return w.Disk(id), nil },
	})
	must(t, err)
	return e
}

// closeCluster closes it as Ctrl-C does; t.Context has ended by then.
func closeCluster(t *testing.T, e *engine.Engine) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	must(t, e.Close(ctx))
}

// createBeats makes the topic, however often the way to a broker is cut meanwhile.
func createBeats(ctx context.Context, t *testing.T, c *kgo.Client) {
	t.Helper()
	_, err := kadm.NewClient(c).CreateTopic(ctx, 6, -1, nil, "beats")
	must(t, err)
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
	cluster := openCluster(t, w)
	defer closeCluster(t, cluster)

	// An hour is what it may take, not what it takes.
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("an hour has passed"))
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()

	producer := client(t, w, kgo.ClientID("wearer"), kgo.DefaultProduceTopic("beats"), kgo.UnknownTopicRetries(-1))
	defer producer.Close()
	createBeats(ctx, t, producer)

	read := newConsumed()
	for i := range 2 {
		member := client(t, w, kgo.ClientID(fmt.Sprint("member-", i)), kgo.ConsumerGroup("watchers"), kgo.ConsumeTopics("beats"),
			kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
		defer member.Close()
		running.Go(func() { read.poll(ctx, member) })
	}

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

// TestWorld_PowerCutsLoseNothingAcknowledged cuts the power of all brokers in
// the midst of writing, again and again. What was acknowledged is there
// afterwards, once and in the order in which it was sent.
func TestWorld_PowerCutsLoseNothingAcknowledged(t *testing.T) {
	seeds := uint64(20)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { powerCuts(t, sim.New(seed)) })
		})
	}
}

func powerCuts(t *testing.T, w *sim.World) {
	const cuts = 5
	rng := w.Rand("cuts")
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Hour, errors.New("an hour has passed"))
	defer cancel()
	var acked sync.Map // value -> struct{}
	next := 0
	for range cuts {
		cluster := openCluster(t, w)
		run, stop := context.WithCancel(ctx)
		producer := client(t, w, kgo.DefaultProduceTopic("beats"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
		if next == 0 {
			createBeats(ctx, t, producer)
		}
		for range 50 + rng.IntN(200) {
			value := fmt.Sprintf("%06d", next)
			producer.Produce(run, &kgo.Record{Partition: int32(next % 6), Value: []byte(value)}, func(_ *kgo.Record, err error) {
				if err == nil {
					acked.Store(value, struct{}{})
				}
			})
			next++
			time.Sleep(time.Duration(rng.Int64N(int64(5 * time.Millisecond))))
		}
		for id := range len(addresses) {
			w.PowerCut(int32(id+1), vfs.PowerCut())
		}
		stop()
		producer.Close()
		_ = cluster.Close(ctx) // its disks are gone: it can only fail
	}
	cluster := openCluster(t, w)
	defer closeCluster(t, cluster)
	reader := client(t, w, kgo.ConsumeTopics("beats"), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	readBack(ctx, t, reader, &acked)
}

// readBack reads until all that was acknowledged was seen; each value once,
// and in order within its partition.
func readBack(ctx context.Context, t *testing.T, reader *kgo.Client, acked *sync.Map) {
	t.Helper()
	missing := map[string]bool{}
	acked.Range(func(value, _ any) bool { missing[value.(string)] = true; return true })
	if len(missing) == 0 {
		t.Fatal("nothing was acknowledged: the test proves nothing")
	}
	seen, last := map[string]bool{}, map[int32]string{}
	for len(missing) > 0 {
		fetches := reader.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%d acknowledged records are lost, such as %v", len(missing), firstOf(missing))
		}
		fetches.EachRecord(func(r *kgo.Record) {
			value := string(r.Value)
			if seen[value] || last[r.Partition] >= value {
				t.Errorf("partition %d: %s after %s", r.Partition, value, last[r.Partition])
			}
			seen[value], last[r.Partition] = true, value
			delete(missing, value)
		})
	}
}

func firstOf(m map[string]bool) string {
	for v := range m {
		return v
	}
	return ""
}
