package compat

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kills is how often the brokers are killed under load.
const kills = 5

// TestKillUnderLoad kills the brokers with SIGKILL again and again while an idempotent producer writes and a
// consumer reads, of a topic with three replicas of which two must be in sync; where it is installed, a Java producer
// does the same. In the end the topic must hold each record that was sent exactly once and in order (the producer
// tries again until all are acknowledged), and what the consumer read on the way must be what is there: a reader
// never sees what a crash can take back.
func TestKillUnderLoad(t *testing.T) {
	if !(&cluster{external: outside()}).canRestart() {
		t.Skip("LOGARIUM_COMPAT_RESTART is not set: there is no way to kill that cluster")
	}
	c := startCluster(t)
	topic := unique("kill")
	adm := kadm.NewClient(kgoClient(t, c))
	createReplicated(t, c, adm, topic)
	load := startLoad(t, c, topic)
	live := startReader(t, c, topic)
	var others []*driverLoad
	if d := driverOrNil(t, "java", c, startJava); d != nil {
		others = append(others, startDriverLoad(t, c, adm, "java", d))
	}
	for i := range kills {
		// A kill means something only while records are on their way, so each comes after the producer got some through.
		flowing := load.wait(t, 2000)
		for _, o := range others {
			o.wait(t, 200)
		}
		begin := time.Now()
		if err := c.restart(syscall.SIGKILL); err != nil {
			t.Fatalf("kill %d: %v", i+1, err)
		}
		t.Logf("kill %d after 2000 records in %v; up again in %v", i+1, flowing, time.Since(begin).Round(time.Millisecond))
	}
	load.wait(t, 2000)
	sent := load.finish(t)
	t.Logf("%d records in %d partitions over %d kills", sum(sent), partitions, kills)
	all := readNumbers(t, c, topic, sum(sent))
	for p := range int32(partitions) {
		if err := inOrder(all[p], sent[p]); err != nil {
			t.Errorf("partition %d: %v", p, err)
		}
	}
	live.compare(t, all, sent)
	for _, o := range others {
		o.finish(t, c)
	}
	if _, err := adm.DeleteTopics(t.Context(), topic); err != nil {
		t.Error(err)
	}
}

// load writes numbered records to all partitions, as fast as they are acknowledged.
type load struct {
	cl      *kgo.Client
	stop    context.CancelFunc
	stopped chan struct{}
	sent    [partitions]uint64 // how many by partition; the writing goroutine's own until stopped
	acked   chan struct{}      // one for each hundred acknowledged

	mu     sync.Mutex
	failed []error
}

func startLoad(t *testing.T, c *cluster, topic string) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel, stopped: make(chan struct{}), acked: make(chan struct{}, 1<<20)}
	l.cl = kgoClient(t, c, kgo.DefaultProduceTopic(topic), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MaxBufferedRecords(2000),
		kgo.ProducerLinger(time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }))
	t.Cleanup(cancel)
	go l.run(ctx)
	return l
}

func (l *load) run(ctx context.Context) {
	defer close(l.stopped)
	acked := 0
	for ctx.Err() == nil {
		p := rand.Int32N(partitions)
		value := binary.BigEndian.AppendUint64(make([]byte, 0, 100), l.sent[p])
		l.sent[p]++
		// Produce blocks while too many are not acknowledged, and must not give up then: no context of this test.
		l.cl.Produce(context.Background(), &kgo.Record{Partition: p, Value: value[:100]}, func(_ *kgo.Record, err error) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if err != nil {
				l.failed = append(l.failed, err)
			}
			if acked++; acked%100 == 0 {
				l.acked <- struct{}{}
			}
		})
	}
}

// wait returns when so many more records were acknowledged, and how long that took.
func (l *load) wait(t *testing.T, records int) time.Duration {
	t.Helper()
	begin := time.Now()
	for len(l.acked) > 0 { // of before
		<-l.acked
	}
	deadline := time.After(60 * time.Second)
	for range records / 100 {
		select {
		case <-l.acked:
		case <-deadline:
			t.Fatal("no records are acknowledged any more")
		}
	}
	return time.Since(begin).Round(time.Millisecond)
}

// finish ends the load and returns how many records were sent to each partition, all acknowledged.
func (l *load) finish(t *testing.T) [partitions]uint64 {
	t.Helper()
	l.stop()
	<-l.stopped
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := l.cl.Flush(ctx); err != nil {
		t.Fatalf("not all was acknowledged: %v", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) > 0 {
		t.Fatalf("%d records failed, the first: %v", len(l.failed), l.failed[0])
	}
	return l.sent
}

// numbers are the values read, by partition in the order of the offsets from 0 on.
type numbers [partitions][]uint64

func sum(sent [partitions]uint64) (n int) {
	for _, s := range sent {
		n += int(s)
	}
	return n
}

// inOrder says what is wrong unless got is 0, 1, 2 … up to count.
func inOrder(got []uint64, count uint64) error {
	for i, n := range got {
		if n != uint64(i) {
			return fmt.Errorf("offset %d has record %d: lost, reordered or repeated", i, n)
		}
	}
	if uint64(len(got)) != count {
		return fmt.Errorf("%d records, want %d", len(got), count)
	}
	return nil
}

// reader reads the topic all along.
type reader struct {
	cl   *kgo.Client
	done chan struct{}
	mu   sync.Mutex
	got  map[placed]uint64
	bad  []string
}

func startReader(t *testing.T, c *cluster, topic string) *reader {
	t.Helper()
	r := &reader{done: make(chan struct{}), got: map[placed]uint64{}}
	r.cl = kgoClient(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(200*time.Millisecond))
	go r.run()
	return r
}

func (r *reader) run() {
	defer close(r.done)
	for {
		fetches := r.cl.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		r.mu.Lock()
		fetches.EachRecord(func(k *kgo.Record) {
			at, n := placed{k.Partition, k.Offset}, binary.BigEndian.Uint64(k.Value)
			if before, again := r.got[at]; again {
				r.bad = append(r.bad, fmt.Sprintf("%v read again: %d, before %d", at, n, before))
			}
			r.got[at] = n
		})
		r.mu.Unlock()
	}
}

// compare ends the reader, when it has all, and holds what it read against what is there.
func (r *reader) compare(t *testing.T, all numbers, sent [partitions]uint64) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.got) < sum(sent) {
			return fmt.Errorf("the reader that lived through the kills has %d records of %d", len(r.got), sum(sent))
		}
		return nil
	})
	r.cl.Close()
	<-r.done
	for at, n := range r.got {
		if at.Offset >= int64(len(all[at.Partition])) || all[at.Partition][at.Offset] != n {
			t.Fatalf("%v was read as record %d, and is not that any more", at, n)
		}
	}
	if len(r.bad) > 0 {
		t.Errorf("%d records were read twice, the first: %s", len(r.bad), r.bad[0])
	}
}

// readNumbers reads a topic of startLoad from its start by a new client, whose offsets must have no holes.
func readNumbers(t *testing.T, c *cluster, topic string, count int) (out numbers) {
	t.Helper()
	return readTopic(t, c, topic, count, func(value []byte) (uint64, error) { return binary.BigEndian.Uint64(value), nil })
}

// readText is readNumbers of a topic of startDriverLoad.
func readText(t *testing.T, c *cluster, topic string, count int) (out numbers) {
	t.Helper()
	return readTopic(t, c, topic, count, func(value []byte) (uint64, error) { return strconv.ParseUint(string(value), 10, 64) })
}

func readTopic(t *testing.T, c *cluster, topic string, count int, number func([]byte) (uint64, error)) (out numbers) {
	t.Helper()
	cl := kgoClient(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for read := 0; read < count; {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%s: read %d records of %d", topic, read, count)
		}
		if err := fetches.Err(); err != nil && !kerr.IsRetriable(err) {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset != int64(len(out[r.Partition])) {
				t.Fatalf("%s: partition %d goes on with offset %d after %d", topic, r.Partition, r.Offset, len(out[r.Partition])-1)
			}
			n, err := number(r.Value)
			if err != nil {
				t.Fatal(err)
			}
			out[r.Partition] = append(out[r.Partition], n)
			read++
		})
	}
	return out
}
