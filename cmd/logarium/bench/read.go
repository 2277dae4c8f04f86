package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// readRange reads the records from the offsets in from (inclusive) to those in to (exclusive), all partitions at
// once, and hands each to fn on the calling goroutine, until fn says false.
func (t *Target) readRange(ctx context.Context, from, to map[int32]int64, fn func(*kgo.Record) bool) error {
	at, left := map[int32]kgo.Offset{}, map[int32]int64{}
	for p, end := range to {
		if from[p] < end {
			at[p], left[p] = kgo.NewOffset().At(from[p]), end
		}
	}
	if len(left) == 0 {
		return nil
	}
	cl, err := t.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{t.Topic: at}), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	for goOn := true; goOn && len(left) > 0; {
		fetches := cl.PollRecords(ctx, 100_000)
		if ctx.Err() != nil {
			return fmt.Errorf("read %q: partitions not read to their end %v: %w", t.Topic, left, ctx.Err())
		}
		var failed error
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if p.Err != nil {
				failed = fmt.Errorf("read %s-%d: %w", p.Topic, p.Partition, p.Err)
				return
			}
			end, reading := left[p.Partition]
			for _, r := range p.Records {
				if goOn && reading && r.Offset < end {
					goOn = fn(r)
				}
			}
			if n := len(p.Records); n > 0 && p.Records[n-1].Offset+1 >= end {
				delete(left, p.Partition)
			}
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}
