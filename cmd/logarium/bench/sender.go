package bench

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// openSenders connects the producers of a run. What it returns is to be closed even with an error.
func openSenders(ctx context.Context, t *Target, l *Load, led *ledger, partitions int32) ([]*sender, error) {
	var senders []*sender
	for i := range l.Producers {
		cl, err := t.producer(l)
		if err != nil {
			return senders, err
		}
		senders = append(senders, newSender(cl, led, uint32(i), partitions, l.Size))
		if err := cl.Ping(ctx); err != nil {
			return senders, fmt.Errorf("connect to %s: %w", strings.Join(t.Bootstrap, ","), err)
		}
	}
	return senders, nil
}

func closeSenders(senders []*sender) {
	for _, s := range senders {
		s.cl.Close()
	}
}

// runSenders shares records (0: no limit) and rate (0: no limit) out among the senders, and returns when all is
// answered. No record is due later than begin plus limit (0: no limit).
func runSenders(ctx context.Context, senders []*sender, records int64, rate int, begin time.Time, limit time.Duration) error {
	until := begin.Add(1000 * time.Hour)
	if limit > 0 {
		until = begin.Add(limit)
	}
	group, ctx := errgroup.WithContext(ctx)
	for i, s := range senders {
		share, mine := part(records, len(senders), i), int(part(int64(rate), len(senders), i))
		if rate > 0 && mine == 0 || records > 0 && share == 0 {
			continue // fewer records (or records a second) than producers: this one stays idle
		}
		group.Go(func() error { return s.run(ctx, share, pace{begin, mine}, until) })
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	return nil
}

// part is the i-th of n nearly equal parts of total.
func part(total int64, n, i int) int64 {
	share := total / int64(n)
	if int64(i) < total%int64(n) {
		share++
	}
	return share
}

// sender is one producer client with its own records. The client's promises run one at a time, on a goroutine of
// the client: mu is for them and the end of the run.
type sender struct {
	cl         *kgo.Client
	led        *ledger
	id         uint32
	partitions int32
	next       []uint64 // next sequence by partition; the sending goroutine's own
	size       int
	fill       *filler
	pool       sync.Pool
	from       time.Time     // records due before are not measured (they are checked all the same)
	late       time.Duration // the longest that a record was sent after it was due; the sending goroutine's own

	mu       sync.Mutex
	latency  *hdrhistogram.Histogram
	failed   int64
	firstErr error
}

// flight is a record on its way, reused when it was acknowledged.
type flight struct {
	record kgo.Record
	value  []byte
	stamp  stamp
	sum    uint32
}

func newSender(cl *kgo.Client, led *ledger, id uint32, partitions int32, size int) *sender {
	s := &sender{cl: cl, led: led, id: id, partitions: partitions, next: make([]uint64, partitions), size: size,
		fill: newFiller(uint64(id) + 1), latency: newHistogram()}
	s.pool.New = func() any { return &flight{value: make([]byte, size)} }
	return s
}

// stickyRun is how many records go to one partition before the next one's turn, as with the sticky partitioners
// of real clients; at a set rate the turns go record by record.
const stickyRun = 64

// run sends share records (0: as many as fit) at the pace, none after until, and waits for all answers.
func (s *sender) run(ctx context.Context, share int64, p pace, until time.Time) error {
	turn := int64(stickyRun)
	if p.rate > 0 {
		turn = 1
	}
	for k := int64(0); share == 0 || k < share; k++ {
		due := p.due(k)
		if !due.Before(until) {
			break
		}
		if p.rate > 0 {
			if d := time.Until(due); d > 0 {
				if err := wait(ctx, d); err != nil {
					return err
				}
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.send(ctx, int32(k/turn%int64(s.partitions)), due)
	}
	return s.cl.Flush(ctx)
}

func (s *sender) send(ctx context.Context, partition int32, due time.Time) {
	f := s.pool.Get().(*flight)
	f.stamp = stamp{run: s.led.run, producer: s.id, partition: uint32(partition), sequence: s.next[partition], due: due.UnixNano()}
	s.next[partition]++
	s.late = max(s.late, time.Since(due))
	s.fill.fill(f.value[stampSize:])
	f.sum = f.stamp.put(f.value)
	f.record = kgo.Record{Value: f.value, Partition: partition}
	s.cl.Produce(ctx, &f.record, func(_ *kgo.Record, err error) { s.answered(f, due, err) })
}

func (s *sender) answered(f *flight, due time.Time, err error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed++
		if s.firstErr == nil {
			s.firstErr = err
		}
		return
	}
	if !due.Before(s.from) {
		observe(s.latency, now.Sub(due))
	}
	s.led.ack(f.stamp, f.sum)
	s.pool.Put(f)
}

// total sums up what the senders saw; call it when they have ended.
func total(senders []*sender) (acks *hdrhistogram.Histogram, failed int64, firstErr string, late time.Duration) {
	acks = newHistogram()
	for _, s := range senders {
		acks.Merge(s.latency)
		failed += s.failed
		late = max(late, s.late)
		if firstErr == "" && s.firstErr != nil {
			firstErr = s.firstErr.Error()
		}
	}
	return acks, failed, firstErr, late
}
