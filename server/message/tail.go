package message

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/logarium/logarium/server/kafka"
)

// Limits of a tail: what an eye can follow, however fast the topic is.
const (
	tailPerSecond = 50
	tailWait      = 500 * time.Millisecond
	tailBytes     = 256 << 10 // read at a time from one partition
	tailRetry     = time.Second
)

// Tailed is a record of a tail.
type Tailed struct {
	kafka.Record
	Dropped int64 // offsets passed over since the record before, to keep the rate
}

// Tail calls fn with the records of a topic as they come, from its present end
// on, at most tailPerSecond each second; what comes faster is counted and passed
// over. It returns when ctx is done, fn fails or the topic is gone.
func Tail(ctx context.Context, src Source, topic string, fn func(Tailed) error) error {
	t := &tail{src: src, name: topic, fn: fn, allowance: tailPerSecond}
	for {
		if err := t.open(ctx); err != nil {
			return err
		}
		if err := t.follow(ctx); err != nil {
			return err
		}
		// A leader moved or a broker is away: look again.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tailRetry):
		}
	}
}

type tail struct {
	src   Source
	name  string
	fn    func(Tailed) error
	topic kafka.Topic
	next  map[int32]int64 // the offset to read next, by partition; nil before the first look

	dropped   int64
	allowance float64
	refilled  time.Time
}

// caught is what one leader gave at once.
type caught struct {
	records []kafka.Record
	dropped int64
}

// open looks the topic up. Partitions that are new since the last time are read
// from their beginning.
func (t *tail) open(ctx context.Context) error {
	topic, _, err := t.src.Topic(ctx, t.name)
	if err != nil {
		return err
	}
	next := make(map[int32]int64, len(topic.Partitions))
	start, end := t.src.StartOffsets(ctx, topic), t.src.EndOffsets(ctx, topic)
	for _, p := range topic.Partitions {
		key := kafka.TopicPartition{Topic: topic.Name, Partition: p.ID}
		if start[key].Err != nil || end[key].Err != nil {
			if old, ok := t.next[p.ID]; ok {
				next[p.ID] = old
			}
			continue
		}
		at, known := t.next[p.ID]
		switch {
		case t.next == nil:
			at = end[key].Offset
		case !known || topic.ID != t.topic.ID: // deleted and made anew
			at = start[key].Offset
		}
		next[p.ID] = min(max(at, start[key].Offset), end[key].Offset)
	}
	t.topic, t.next = topic, next
	return nil
}

// follow reads from every leader, each at its own pace, until one of them fails.
func (t *tail) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := make(chan caught)
	var wg sync.WaitGroup
	byLeader := make(map[int32][]kafka.Position)
	for _, p := range t.topic.Partitions {
		if at, ok := t.next[p.ID]; ok {
			byLeader[p.Leader] = append(byLeader[p.Leader], kafka.Position{Partition: p.ID, Offset: at})
		}
	}
	var mu sync.Mutex
	for _, from := range byLeader {
		wg.Go(func() {
			defer cancel() // one that ends ends all: the topic is looked up anew
			t.drain(ctx, from, out)
			mu.Lock()
			defer mu.Unlock()
			for _, pos := range from {
				t.next[pos.Partition] = pos.Offset
			}
		})
	}
	go func() {
		wg.Wait()
		close(out)
	}()
	var failed error
	for c := range out {
		if failed == nil {
			t.dropped += c.dropped
			if failed = t.pass(c.records); failed != nil {
				cancel()
			}
		}
	}
	return failed
}

// drain reads from one leader until it fails, and moves from on.
func (t *tail) drain(ctx context.Context, from []kafka.Position, out chan<- caught) {
	if len(from) == 0 {
		return
	}
	lim := kafka.FetchLimits{PartitionBytes: tailBytes, TotalBytes: 4 << 20, Wait: tailWait}
	for ctx.Err() == nil {
		var c caught
		failed := false
		for _, f := range t.src.Fetch(ctx, t.topic, from, lim) {
			i := slices.IndexFunc(from, func(p kafka.Position) bool { return p.Partition == f.Partition })
			if i < 0 || f.Err != nil {
				failed = true
				continue
			}
			c.records = append(c.records, f.Records...)
			from[i].Offset = f.Next
			if behind := f.End - f.Next; behind > 0 && len(f.Records) > 0 { // too fast for us: on to the end
				c.dropped += behind
				from[i].Offset = f.End
			}
		}
		if len(c.records) > 0 {
			select {
			case out <- c:
			case <-ctx.Done():
				return
			}
		}
		if failed {
			return
		}
	}
}

// pass hands on as many records as the rate allows, the newest of them.
func (t *tail) pass(records []kafka.Record) error {
	slices.SortStableFunc(records, func(a, b kafka.Record) int { return a.Timestamp.Compare(b.Timestamp) })
	now := time.Now()
	if !t.refilled.IsZero() {
		t.allowance = min(tailPerSecond, t.allowance+now.Sub(t.refilled).Seconds()*tailPerSecond)
	}
	t.refilled = now
	if over := len(records) - int(t.allowance); over > 0 {
		t.dropped += int64(over)
		records = records[over:]
	}
	for _, r := range records {
		t.allowance--
		if err := t.fn(Tailed{Record: r, Dropped: t.dropped}); err != nil {
			return err
		}
		t.dropped = 0
	}
	return nil
}
