package replica

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
)

// DeleteRecords moves the log start up to before (-1: the high watermark):
// OFFSET_OUT_OF_RANGE above the high watermark. The offset that it returns is
// what WaitDeleted is to wait for.
func (p *Partition) DeleteRecords(before int64) (offset int64, err error) {
	if err := p.Serves(); err != nil {
		return -1, err
	}
	hw := p.hw.Load()
	if before == -1 {
		before = hw
	}
	if before < 0 || before > hw {
		return -1, kerr.OffsetOutOfRange
	}
	old := p.log.Start()
	if before > old {
		if err := p.log.DeleteRecords(before); err != nil {
			return -1, err
		}
		p.movedStart(old)
	}
	return before, nil
}

// WaitDeleted waits until the log starts at offset or later on every replica
// whose broker is up, and returns the low watermark: where the log starts on
// all of them. It ends with NOT_LEADER_OR_FOLLOWER when another broker leads,
// and with ctx.
func (p *Partition) WaitDeleted(ctx context.Context, offset int64) (low int64, err error) {
	p.mu.Lock()
	if err := p.Serves(); err != nil || p.led == nil {
		p.mu.Unlock()
		return -1, errNotLeader
	}
	low = p.lowWatermark()
	if low >= offset {
		p.mu.Unlock()
		return low, nil
	}
	w := lowWaiter{offset, make(chan error, 1)}
	p.lows = append(p.lows, w)
	p.mu.Unlock()
	select {
	case err = <-w.done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lows = slices.DeleteFunc(p.lows, func(o lowWaiter) bool { return o.done == w.done })
	switch {
	case err != nil:
		return -1, err
	case p.led == nil:
		return -1, errNotLeader
	}
	return p.lowWatermark(), nil
}

// movedStart tells that the log start moved from old to where it is now.
func (p *Partition) movedStart(old int64) {
	now := p.log.Start()
	if now == old {
		return
	}
	p.counters.LogStart.Store(now)
	p.emit(event.State{Kind: event.LogStartMoved, A: old, B: now})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.led == nil {
		return
	}
	for i := range p.led.remotes {
		p.led.remotes[i].link.news()
	}
	p.movedLow()
}
