package replica

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// How long a leader may hold back an answer: idleWait where there is nothing to
// be tried again, for the leader wakes us for everything that is new.
const (
	idleWait = 5 * time.Second
	maxWait  = 500 * time.Millisecond // replica.fetch.wait.max.ms
)

// following is one partition that a fetcher follows in one leader epoch.
type following struct {
	fetcher   *fetcher
	partition *Partition
	epoch     int32

	listed  bool // on announce; guarded by fetcher.mu, as what follows
	gone    bool
	failing bool // an error is to be got over by waiting
}

// fetchers are those of a Set, one for each leader.
type fetchers struct {
	set *Set
	mu  sync.Mutex
	of  map[int32]*fetcher
	new []*fetcher // that were given partitions since the last interrupt
}

// follow has a partition followed from its log end on. It returns nil where
// there are no peers, or the Set is being closed. What it adds is asked for
// after interrupt.
func (fs *fetchers) follow(p *Partition, leader, epoch int32) *following {
	s := fs.set
	if s.cfg.Peers == nil {
		return nil
	}
	fs.mu.Lock()
	f := fs.of[leader]
	if f == nil {
		if s.over.Err() != nil {
			fs.mu.Unlock()
			return nil
		}
		f = &fetcher{set: s, leader: leader, entries: map[PartitionID]*following{}, wakeup: make(chan struct{}, 1)}
		if fs.of == nil {
			fs.of = map[int32]*fetcher{}
		}
		fs.of[leader] = f
		s.workers.Go(func() { f.run(s.over) })
	}
	if !slices.Contains(fs.new, f) {
		fs.new = append(fs.new, f)
	}
	fs.mu.Unlock()
	e := &following{fetcher: f, partition: p, epoch: epoch}
	f.mu.Lock()
	f.entries[p.ref()] = e
	f.list(e)
	f.mu.Unlock()
	return e
}

// interrupt has those fetchers ask at once that were given partitions, or all.
func (fs *fetchers) interrupt(all bool) {
	fs.mu.Lock()
	which := fs.new
	fs.new = nil
	if all {
		which = slices.Collect(maps.Values(fs.of))
	}
	fs.mu.Unlock()
	for _, f := range which {
		f.interrupt()
	}
}

// fetcher is the goroutine that copies from one leader all partitions which
// this broker follows there.
type fetcher struct {
	set    *Set
	leader int32
	wakeup chan struct{}

	mu       sync.Mutex // held for moments; nothing is called under it
	entries  map[PartitionID]*following
	announce []*following // whose place the leader is to be told
	forget   []PartitionID
	failing  []*following
	cancel   context.CancelFunc // of the fetch under way

	// The goroutine's own.
	session, number, received uint64
	retryAt                   time.Time // of failing
	req                       FetchRequest
	asked                     []*following // named in req, in its order
	failures                  int          // in a row
	call                      context.Context
}

// list has the leader told where the partition is; mu is held.
func (f *fetcher) list(e *following) {
	if !e.listed && !e.gone {
		e.listed = true
		f.announce = append(f.announce, e)
	}
}

// drop ends the following of a partition.
func (f *fetcher) drop(e *following) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e.gone = true
	id := e.partition.ref()
	if f.entries[id] == e {
		delete(f.entries, id)
		f.forget = append(f.forget, id)
	}
}

// interrupt ends the fetch under way, so that the next one tells what is new.
func (f *fetcher) interrupt() {
	f.mu.Lock()
	cancel := f.cancel
	f.cancel = nil
	f.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	select {
	case f.wakeup <- struct{}{}:
	default:
	}
}

func (f *fetcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		if !f.prepare(ctx) {
			select {
			case <-ctx.Done():
			case <-f.wakeup:
			}
			continue
		}
		resp, err := f.set.cfg.Peers.Fetch(f.call, f.leader, &f.req)
		switch {
		case err == nil && resp.Err == nil:
			f.take(resp)
			resp.Release()
		case err == nil: // the leader has forgotten the session
			f.begin()
			f.pause(ctx, resp.Err)
		default:
			f.restore()
			if f.call.Err() == nil {
				f.pause(ctx, err)
			}
		}
	}
	f.end()
}

// end gives back the context of the last fetch.
func (f *fetcher) end() {
	f.mu.Lock()
	cancel := f.cancel
	f.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// prepare makes the next request. It returns false if no partition is followed.
func (f *fetcher) prepare(ctx context.Context) bool {
	f.mu.Lock()
	if f.cancel == nil { // before announce is read: who is added later interrupts
		f.call, f.cancel = context.WithCancel(ctx)
	}
	if len(f.entries) == 0 && len(f.forget) == 0 {
		f.mu.Unlock()
		return false
	}
	wait := idleWait
	if len(f.failing) > 0 {
		if wait = min(maxWait, time.Until(f.retryAt)); wait <= 0 {
			f.retry()
			wait = maxWait
		}
	}
	f.asked = append(f.asked[:0], f.announce...)
	clear(f.announce)
	f.announce = f.announce[:0]
	for _, e := range f.asked {
		e.listed = false
	}
	f.req.Forget = append(f.req.Forget[:0], f.forget...)
	f.forget = f.forget[:0]
	f.mu.Unlock()

	f.number++
	r := &f.req
	r.Follower, r.FollowerEpoch = f.set.cfg.BrokerID, f.set.brokerEpoch()
	r.Session, r.Number, r.Received = f.session, f.number, f.received
	r.MaxBytes, r.MaxWait = f.set.cfg.FetchMaxBytes, wait
	r.Partitions = r.Partitions[:0]
	n := 0
	for _, e := range f.asked {
		if at, ok := e.partition.place(e); ok {
			f.asked[n] = e
			n++
			r.Partitions = append(r.Partitions, at)
		}
	}
	clear(f.asked[n:])
	f.asked = f.asked[:n]
	return true
}

// retry lists again what failed a while ago; mu is held.
func (f *fetcher) retry() {
	for _, e := range f.failing {
		e.failing = false
		f.list(e)
	}
	clear(f.failing)
	f.failing = f.failing[:0]
}

// restore takes back a request that was not answered.
func (f *fetcher) restore() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.asked {
		f.list(e)
	}
	for _, id := range f.req.Forget {
		if f.entries[id] == nil {
			f.forget = append(f.forget, id)
		}
	}
}

// begin starts a new session, which knows nothing yet.
func (f *fetcher) begin() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.session, f.number, f.received = 0, 0, 0
	f.forget = f.forget[:0]
	for _, e := range f.entries {
		f.list(e)
	}
}

// pause waits after a failure, longer after each in a row, or until somebody
// interrupts: partitions were added or a leader was elected.
func (f *fetcher) pause(ctx context.Context, err error) {
	f.failures++
	if f.failures == 1 && errors.Is(err, kerr.FetchSessionIDNotFound) {
		return // the leader was started again
	}
	d := min(f.set.cfg.FetchBackoff<<min(f.failures-1, 6), 10*f.set.cfg.FetchBackoff)
	if f.failures == 1 {
		f.set.cfg.Logger.Info("cannot fetch from a leader; trying again", "leader", f.leader, "err", err)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-f.wakeup:
	case <-t.C:
	}
}

// take applies an answer.
func (f *fetcher) take(resp *FetchResponse) {
	if f.failures > 0 {
		f.failures = 0
		f.set.cfg.Logger.Info("fetching from the leader again", "leader", f.leader)
	}
	f.session, f.received = resp.Session, resp.Number
	for i := range resp.Partitions {
		in := &resp.Partitions[i]
		f.mu.Lock()
		e := f.entries[in.PartitionID]
		f.mu.Unlock()
		if e == nil {
			continue
		}
		outcome := e.partition.replicate(e, in)
		f.mu.Lock()
		switch {
		case outcome == moved:
			f.list(e)
		case outcome == troubled && !e.failing && !e.gone:
			e.failing = true
			if len(f.failing) == 0 {
				f.retryAt = time.Now().Add(f.set.cfg.FetchBackoff)
			}
			f.failing = append(f.failing, e)
		}
		f.mu.Unlock()
	}
}
