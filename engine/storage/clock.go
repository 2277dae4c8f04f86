package storage

import (
	"sync"
	"time"
)

// clock keeps a broker's clock that jumped ahead from ageing records: what
// retention and compaction take for now runs at most twice as fast as time
// really passes, until it has caught up. A clock that is set back is believed
// at once: it only makes records younger.
type clock struct {
	mu   sync.Mutex
	last time.Time // what was taken for now
	read time.Time // the clock as it was read then
}

// at is what to take for now when the broker's clock says now.
func (c *clock) at(now time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	// By the monotonic readings, if both have one.
	passed := now.Sub(c.read)
	c.read = now
	return c.adjust(now.Round(0), min(max(passed, 0), Forever/2))
}

// adjust is at, for a clock that was last looked at some time ago.
func (c *clock) adjust(now time.Time, passed time.Duration) time.Time {
	if limit := c.last.Add(2 * passed); !c.last.IsZero() && now.After(limit) {
		now = limit
	}
	c.last = now
	return now
}
