package replica

import (
	"sync"
	"time"
)

// flusher syncs the logs that have news. Each log is synced by one syncer at a
// time; what is appended meanwhile goes into its next sync. There is no fixed
// delay: syncs run back to back as long as there is something to sync.
type flusher struct {
	cfg     Config
	mu      sync.Mutex // for queue and head
	queue   []*Partition
	head    int           // of the queue
	wakeup  chan struct{} // one token for an idle syncer
	closing chan struct{}
	done    sync.WaitGroup
}

func startFlusher(cfg Config) *flusher {
	f := &flusher{cfg: cfg, wakeup: make(chan struct{}, cfg.Syncers), closing: make(chan struct{})}
	switch cfg.Durability {
	case Group:
		for range cfg.Syncers {
			f.done.Go(f.sync)
		}
	default:
		f.done.Go(f.syncLazily)
	}
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
	p.sync()
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

// syncLazily syncs FlushInterval after the first append since the last time.
func (f *flusher) syncLazily() {
	for {
		select {
		case <-f.closing:
			return
		case <-f.wakeup:
		}
		pause := time.NewTimer(f.cfg.FlushInterval)
		select {
		case <-f.closing:
			pause.Stop()
			return
		case <-pause.C:
		}
		f.mu.Lock()
		n := len(f.queue) - f.head
		f.mu.Unlock()
		for range n { // what is queued meanwhile waits for the next time
			f.run(f.next())
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
func (p *Partition) sync() {
	p.mu.Lock()
	skip := p.failed || p.down.Load() != nil
	p.mu.Unlock()
	if skip {
		return
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
}
