package storage

import (
	"context"
	"sync"
	"time"
)

// Throttle bounds how many bytes a second all the compactions that share it read
// and write together (log.cleaner.io.max.bytes.per.second).
type Throttle struct {
	mu        sync.Mutex // never held during a wait
	perSecond float64    // 0: no bound
	free      time.Time  // when all that was let through so far is paid for
}

// NewThrottle returns a throttle; 0 or less bytes a second are no bound.
func NewThrottle(perSecond float64) *Throttle {
	t := new(Throttle)
	t.Set(perSecond)
	return t
}

// Set changes the bound.
func (t *Throttle) Set(perSecond float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.perSecond = max(perSecond, 0)
	t.free = time.Time{}
}

// throttleGrain is the shortest wait: less is left to the next call.
const throttleGrain = 10 * time.Millisecond

// wait waits as long as n more bytes take, or until ctx ends. A nil throttle
// lets all through.
func (t *Throttle) wait(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil || t == nil {
		return err
	}
	delay := t.take(n)
	if delay < throttleGrain {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take accounts for n bytes and says how long to wait for what came before.
func (t *Throttle) take(n int) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.perSecond == 0 {
		return 0
	}
	now := time.Now()
	if t.free.Before(now) {
		t.free = now
	}
	delay := t.free.Sub(now)
	t.free = t.free.Add(time.Duration(float64(n) / t.perSecond * float64(time.Second)))
	return delay
}
