package message

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/server/kafka"
)

// river is a Source with one partition that grows, and that waits as a broker
// does.
type river struct {
	mu    sync.Mutex // guards shelf and fail; not held while a fetch waits
	shelf shelf
	grown chan struct{}
	fail  error // of the next fetch
}

func newRiver() *river {
	return &river{shelf: shelf{parts: map[int32]*stack{0: {}}, batch: 1 << 20}, grown: make(chan struct{}, 1)}
}

func (r *river) write(n int) {
	r.mu.Lock()
	p := r.shelf.parts[0]
	for range n {
		p.records = append(p.records, kafka.Record{Offset: p.end, Timestamp: time.Now(), Value: []byte(fmt.Sprint(p.end))})
		p.end++
	}
	r.mu.Unlock()
	select {
	case r.grown <- struct{}{}:
	default:
	}
}

// failOnce makes the next fetch fail.
func (r *river) failOnce(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

func (r *river) Topic(ctx context.Context, name string) (kafka.Topic, kafka.Metadata, error) {
	return r.shelf.Topic(ctx, name)
}

func (r *river) StartOffsets(ctx context.Context, t ...kafka.Topic) kafka.Offsets {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shelf.StartOffsets(ctx, t...)
}

func (r *river) EndOffsets(ctx context.Context, t ...kafka.Topic) kafka.Offsets {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shelf.EndOffsets(ctx, t...)
}

func (r *river) OffsetsAt(ctx context.Context, ms int64, t ...kafka.Topic) kafka.Offsets {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shelf.OffsetsAt(ctx, ms, t...)
}

func (r *river) Fetch(ctx context.Context, t kafka.Topic, from []kafka.Position, lim kafka.FetchLimits) []kafka.Fetched {
	r.mu.Lock()
	err, end := r.fail, r.shelf.parts[0].end
	r.fail = nil
	r.mu.Unlock()
	if err != nil {
		return []kafka.Fetched{{Partition: 0, Next: from[0].Offset, Err: err}}
	}
	if from[0].Offset == end {
		select {
		case <-r.grown:
		case <-ctx.Done():
		case <-time.After(lim.Wait):
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.shelf.Fetch(ctx, t, from, lim)
}

func TestTail_FollowsDropsAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRiver()
		r.write(5) // before the tail began: not of it
		ctx, cancel := context.WithCancel(t.Context())
		var got []int64
		var dropped int64
		done := make(chan error)
		go func() {
			done <- Tail(ctx, r, "t", func(rec Tailed) error {
				got = append(got, rec.Offset)
				dropped += rec.Dropped
				return nil
			})
		}()
		synctest.Wait()
		r.write(2)
		synctest.Wait()
		if len(got) != 2 || got[0] != 5 || dropped != 0 {
			t.Fatalf("got %v, %d dropped", got, dropped)
		}
		r.write(500)
		synctest.Wait()
		if len(got) > tailPerSecond || int64(len(got))+dropped != 502 || got[len(got)-1] != 506 {
			t.Fatalf("%d shown, %d dropped, last %d", len(got), dropped, got[len(got)-1])
		}
		r.failOnce(errors.New("the leader moved"))
		time.Sleep(tailWait)
		synctest.Wait()
		r.write(1)
		time.Sleep(3 * tailRetry)
		synctest.Wait()
		if last := got[len(got)-1]; last != 507 {
			t.Fatalf("after the leader moved the last is %d", last)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestTail_EndsWithItsReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRiver()
		gone := errors.New("the tab is closed")
		done := make(chan error)
		go func() { done <- Tail(t.Context(), r, "t", func(Tailed) error { return gone }) }()
		synctest.Wait()
		r.write(1)
		if err := <-done; !errors.Is(err, gone) {
			t.Fatal(err)
		}
	})
}
