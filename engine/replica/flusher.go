package replica

import (
	"container/heap"
	"sync"
	"time"
)

// flusher syncs the logs that have news. Each log is synced by one syncer at a
// time; what is appended meanwhile goes into its next sync. There is no fixed
// delay: syncs run back to back as long as there is something to sync.
type flusher struct {
	mu      sync.Mutex // for queue, head and later
	queue   []*Partition
	head    int // of the queue
	later   dueList
	wakeup  chan struct{} // one token for an idle syncer
	sooner  chan struct{} // tells that what is due first has changed
	closing chan struct{}
	done    sync.WaitGroup
}

func startFlusher(cfg Config) *flusher {
	f := &flusher{wakeup: make(chan struct{}, cfg.Syncers), sooner: make(chan struct{}, 1), closing: make(chan struct{})}
	for range cfg.Syncers {
		f.done.Go(f.sync)
	}
	f.done.Go(f.wait)
	return f
}

// syncState says where a partition is on its way to a sync, so that it is queued
// once and synced by one syncer at a time.
type syncState = int32

const (
	synced   syncState = iota // nothing is new
	queued                    // something is
	syncing                   // a syncer has it
	outdated                  // a syncer has it, and something is new since it began
)

// add queues a partition for a sync, or for another one if it is being synced.
func (f *flusher) add(p *Partition) {
	for {
		switch p.flush.Load() {
		case synced:
			if p.flush.CompareAndSwap(synced, queued) {
				f.enqueue(p)
				return
			}
		case syncing:
			if p.flush.CompareAndSwap(syncing, outdated) {
				return
			}
		default:
			return
		}
	}
}

// run syncs a partition that was taken from the queue.
func (f *flusher) run(p *Partition) {
	p.flush.Store(syncing)
	_ = p.sync() // whom it concerns has been told
	if !p.flush.CompareAndSwap(syncing, synced) {
		p.flush.Store(queued)
		f.enqueue(p)
	}
}

func (f *flusher) enqueue(p *Partition) {
	f.mu.Lock()
	f.queue = append(f.queue, p)
	f.mu.Unlock()
	select {
	case f.wakeup <- struct{}{}:
	default:
	}
}

// next takes a partition from the queue, nil if it is empty.
func (f *flusher) next() *Partition {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.head == len(f.queue) {
		f.queue, f.head = f.queue[:0], 0
		return nil
	}
	p := f.queue[f.head]
	f.queue[f.head] = nil
	f.head++
	return p
}

func (f *flusher) sync() {
	for {
		for p := f.next(); p != nil; p = f.next() {
			f.run(p)
		}
		select {
		case <-f.closing:
			return
		case <-f.wakeup:
		}
	}
}

// dueList is a heap of partitions that are to be synced at a time.
type dueList []dueSync

type dueSync struct {
	at time.Time
	p  *Partition
}

func (d dueList) Len() int           { return len(d) }
func (d dueList) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d dueList) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dueList) Push(x any)        { *d = append(*d, x.(dueSync)) }
func (d *dueList) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	(*d)[last] = dueSync{}
	*d = (*d)[:last]
	return x
}

// addWithin has a partition synced within a time, unless it is to be already.
func (f *flusher) addWithin(p *Partition, within time.Duration) {
	if p.flushDue.Swap(true) {
		return
	}
	f.mu.Lock()
	heap.Push(&f.later, dueSync{time.Now().Add(within), p})
	first := f.later[0].p == p
	f.mu.Unlock()
	if first {
		select {
		case f.sooner <- struct{}{}:
		default:
		}
	}
}

// wait queues partitions when they are due. While none is, it has no timer.
func (f *flusher) wait() {
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	for {
		f.mu.Lock()
		now := time.Now()
		for len(f.later) > 0 && !f.later[0].at.After(now) {
			p := heap.Pop(&f.later).(dueSync).p
			f.mu.Unlock()
			p.flushDue.Store(false)
			f.add(p)
			f.mu.Lock()
		}
		if len(f.later) > 0 {
			pause.Reset(f.later[0].at.Sub(now))
		} else {
			pause.Stop()
		}
		f.mu.Unlock()
		select {
		case <-f.closing:
			return
		case <-f.sooner:
		case <-pause.C:
		}
	}
}

// close ends the syncers after the syncs in hand.
func (f *flusher) close() {
	close(f.closing)
	f.done.Wait()
}

// sync makes what was appended durable, and commits it if that is what commits
// wait for. A log that failed to sync is never synced again.
func (p *Partition) sync() error {
	p.mu.Lock()
	skip := p.failed || p.down.Load() != nil
	p.mu.Unlock()
	if skip {
		return p.log.Failed()
	}
	_, err := p.log.Sync()
	var told waiters
	var outcome error
	p.mu.Lock()
	switch {
	case p.down.Load() != nil: // closed or deleted meanwhile: who waited has been told
	case err != nil:
		told, outcome = p.broken(err), storageError(err)
	default:
		told = p.rise()
	}
	p.mu.Unlock()
	told.tell(outcome)
	return outcome
}
