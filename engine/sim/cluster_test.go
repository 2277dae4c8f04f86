//go:build synctests

package sim_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/sim"
	"github.com/logarium/logarium/engine/vfs"
)

const (
	brokers    = 3
	partitions = 6
)

// open starts the cluster of a world. It is closed at the end of the test, if it was not before.
func open(t *testing.T, ctx context.Context, w *sim.World) *engine.Engine {
	t.Helper()
	cluster, err := w.Open(ctx, brokers)
	must(t, err)
	t.Cleanup(func() { _ = cluster.Close(ctx) }) // its error has been seen, or the test has failed already
	return cluster
}

// createTopic makes the topic that a workload uses.
func createTopic(t *testing.T, ctx context.Context, w *sim.World, topic string) {
	t.Helper()
	c := client(t, w)
	defer c.Close()
	_, err := kadm.NewClient(c).CreateTopic(ctx, partitions, -1, nil, topic)
	must(t, err)
}

// TestCluster_TroubleOnTheLinks runs a producer and a group for ten virtual
// minutes with links that are slowed, cut and reset.
func TestCluster_TroubleOnTheLinks(t *testing.T) {
	each(t, func(t *testing.T, ctx context.Context, w *sim.World) {
		cluster := open(t, ctx, w)
		createTopic(t, ctx, w, "beats")
		troubledMinutes(t, ctx, w, "beats")
		must(t, cluster.Close(ctx))
	})
}

// TestCluster_PowerCuts cuts the power of all brokers again and again while a
// producer and a group go on, and then reads the log: every record is there
// once, in the order in which it was produced.
func TestCluster_PowerCuts(t *testing.T) {
	crashes(t, func(w *sim.World, id int32) { w.PowerCut(id, vfs.PowerCut()) })
}

// TestCluster_Kills is the same with kill -9, after which a disk has everything.
func TestCluster_Kills(t *testing.T) {
	crashes(t, (*sim.World).Kill)
}

func crashes(t *testing.T, crash func(w *sim.World, id int32)) {
	const rounds, every = 6, 40
	each(t, func(t *testing.T, ctx context.Context, w *sim.World) {
		cluster := open(t, ctx, w)
		createTopic(t, ctx, w, "beats")
		load := startWorkload(t, ctx, w, "beats")
		defer load.stop()
		rng := w.Rand("crashes")
		for round := range rounds {
			load.beat(t, ctx, round*every, every)
			time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
			for id := range int32(brokers) {
				crash(w, id+1)
			}
			w.Net.Reset(netx.Loopback, netx.Loopback)
			closing := time.Now()
			_ = cluster.Close(ctx) // it has no disk any more, and says so
			if took := time.Since(closing); took > 10*time.Second {
				t.Fatalf("closing took %v", took)
			}
			time.Sleep(time.Duration(rng.Int64N(int64(10 * time.Second))))
			cluster = open(t, ctx, w)
		}
		must(t, load.producer.Flush(ctx))
		must(t, load.read.waitFor(ctx, rounds*every))
		load.stop()
		exactlyOnce(t, ctx, w, "beats", rounds*every)
		must(t, cluster.Close(ctx))
	})
}

// exactlyOnce reads a topic and checks that it has every beat once, and those
// of each partition in order.
func exactlyOnce(t *testing.T, ctx context.Context, w *sim.World, topic string, beats int) {
	t.Helper()
	c := client(t, w, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	seen := map[int]int64{}
	last := map[int32]int{}
	for len(seen) < beats {
		fetches := c.PollFetches(ctx)
		must(t, fetches.Err0())
		fetches.EachRecord(func(r *kgo.Record) {
			var n int
			if _, err := fmt.Sscanf(string(r.Value), "beat %d", &n); err != nil {
				t.Errorf("partition %d, offset %d is %q", r.Partition, r.Offset, r.Value)
			}
			if offset, twice := seen[n]; twice {
				t.Errorf("beat %d is at the offsets %d and %d", n, offset, r.Offset)
			}
			seen[n] = r.Offset
			if before, ok := last[r.Partition]; ok && before > n {
				t.Errorf("partition %d has beat %d after %d", r.Partition, n, before)
			}
			last[r.Partition] = n
		})
	}
}

// TestCluster_PowerCutsLoseNothingAcknowledged cuts the power of all brokers in
// the midst of writing, again and again. What was acknowledged is there
// afterwards, once and in the order in which it was sent.
func TestCluster_PowerCutsLoseNothingAcknowledged(t *testing.T) {
	each(t, powerCuts)
}

func powerCuts(t *testing.T, ctx context.Context, w *sim.World) {
	const cuts = 5
	rng := w.Rand("cuts")
	var acked sync.Map // value -> struct{}
	next := 0
	for range cuts {
		cluster := open(t, ctx, w)
		run, stop := context.WithCancel(ctx)
		producer := client(t, w, kgo.DefaultProduceTopic("beats"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
		if next == 0 {
			createTopic(t, ctx, w, "beats")
		}
		for range 50 + rng.IntN(200) {
			value := fmt.Sprintf("%06d", next)
			producer.Produce(run, &kgo.Record{Partition: int32(next % partitions), Value: []byte(value)}, func(_ *kgo.Record, err error) {
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
	open(t, ctx, w)
	reader := client(t, w, kgo.ConsumeTopics("beats"), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	defer reader.Close()
	readBack(t, ctx, reader, &acked)
}

// readBack reads until all that was acknowledged was seen; each value once,
// and in order within its partition.
func readBack(t *testing.T, ctx context.Context, reader *kgo.Client, acked *sync.Map) {
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
