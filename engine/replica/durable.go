package replica

import (
	"context"
	"errors"
	"math"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/journal"
	"github.com/logarium/logarium/engine/storage"
)

// syncs says whether commits wait for the disk.
func (d Durability) syncs() bool { return d == Group || d == Always }

// errJournalFull is the answer while the journal has no room.
var errJournalFull = &problem{kerr.RequestTimedOut, "the journal is full: logs are synced too slowly"}

// admit waits until there is room for what a leader appends; no lock is held.
func (s *Set) admit() error {
	if s.cfg.Journal == nil || !s.cfg.Durability.syncs() {
		return nil
	}
	err := s.cfg.Journal.Admit(s.over)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFull):
		return errJournalFull
	case errors.Is(err, journal.ErrClosed), errors.Is(err, context.Canceled):
		return errClosed
	}
	return storageError(err)
}

// journaling is what a leader knows of its entries in the journal during one
// leader epoch. The partition's mu guards it.
type journaling struct {
	p     *Partition
	start int64 // entries from here on are in the journal; what is below counts once it is synced
	next  int64 // all from start up to here is durable in the journal
	since int   // bytes appended since the journal told something
	fault error // why nothing more becomes durable here
}

// Journaled implements journal.Waiter.
func (j *journaling) Journaled(next int64, err error) {
	p := j.p
	var told waiters
	p.mu.Lock()
	j.since = 0
	if err == nil {
		j.next = max(j.next, next)
	} else {
		j.fault = storageError(err)
	}
	if p.journaling == j && p.led != nil {
		if err != nil { // nothing of what is not committed will be acknowledged
			told = p.take(len(p.commits))
		} else {
			told = p.rise()
		}
	}
	p.mu.Unlock()
	told.tell(j.fault)
}

// persist has what a leader appended made durable; writing is held. It reports
// whether the append reached flush.messages and is to wait for its own sync.
func (p *Partition) persist(batches []byte, a storage.Appended) (due bool) {
	p.mu.Lock()
	due = p.unflushed(a)
	j := p.journaling
	direct := p.set.cfg.Journal == nil || j == nil || p.bulk(j, a)
	p.mu.Unlock()
	switch mode := p.set.cfg.Durability; {
	case mode == Memory:
		return false
	case !mode.syncs():
		if due {
			p.set.flush.add(p)
		} else {
			p.flushLater()
		}
		return due
	case direct:
		p.set.flush.add(p)
		return due
	}
	err := p.set.cfg.Journal.Append(journal.Entry{
		Key:   journal.Key{Broker: p.set.cfg.BrokerID, Topic: p.id, Partition: p.index},
		Epoch: p.epoch.Load(), First: a.First, Next: a.Last + 1, Batches: batches,
	}, j)
	if err != nil {
		j.Journaled(0, err)
	}
	p.flushLater()
	return due
}

// bulk says whether an append is synced in the log itself instead of going
// through the journal, which would write it twice: so it is in a partition that
// is alone, from when much arrives during one sync until all that was appended
// is synced. mu is held.
func (p *Partition) bulk(j *journaling, a storage.Appended) bool {
	switch {
	case p.set.cfg.BulkBytes < 0 || p.set.cfg.Durability == Always || p.led == nil || len(p.led.remotes) > 0:
		p.direct = false
	case p.direct:
		p.direct = p.log.Synced() < a.First
		if p.direct {
			return true
		}
		j.start, j.since = a.First, 0
	default:
		if j.since += a.Bytes; j.since >= p.set.cfg.BulkBytes {
			p.direct = true
			return true
		}
	}
	return false
}

// unflushed counts the records that were appended since the last sync, and
// reports whether flush.messages is reached; mu is held.
func (p *Partition) unflushed(a storage.Appended) bool {
	if p.flushMessages == math.MaxInt64 {
		return false
	}
	if p.log.Synced() >= p.counted {
		p.uncounted = 0
	}
	p.counted = a.Last + 1
	if p.uncounted += int64(a.Records); p.uncounted < p.flushMessages {
		return false
	}
	if p.log.Synced() >= p.heldTo {
		p.heldFrom = a.First
	}
	p.heldTo = a.Last + 1
	return true
}

// flushLater has the log synced within the topic's flush.ms. Where the journal
// has what was appended, it is synced with the journal's next checkpoint, unless
// the topic asks for more.
func (p *Partition) flushLater() {
	p.mu.Lock()
	within := p.flushWithin
	p.mu.Unlock()
	if within < 0 {
		if p.set.cfg.Journal != nil && p.set.cfg.Durability.syncs() {
			return
		}
		within = p.set.cfg.FlushInterval
	}
	p.set.flush.addWithin(p, within)
}

// persistCopy has what a follower appended synced some time: the high watermark
// does not wait for it. writing is held.
func (p *Partition) persistCopy(storage.Appended) {
	if p.set.cfg.Durability != Memory {
		p.flushLater()
	}
}

// joinsISR has the copy of a follower synced that will count from now on: it may
// hold what the journal has no more.
func (p *Partition) joinsISR() {
	if p.set.cfg.Durability.syncs() {
		p.set.flush.add(p)
	}
}

// durable is the offset below which the leader's own log is as durable as
// commits ask for; mu is held.
func (p *Partition) durable() int64 {
	synced := p.log.Synced()
	if !p.set.cfg.Durability.syncs() {
		if synced < p.heldTo {
			return max(synced, p.heldFrom)
		}
		return p.log.End()
	}
	if j := p.journaling; j != nil && synced >= j.start {
		return max(synced, j.next)
	}
	return synced
}

// nowLeads begins the entries of a leader epoch, and has the tail that this
// replica has as it begins to lead made durable; writing is held.
func (p *Partition) nowLeads() {
	end := p.log.End()
	p.mu.Lock()
	p.journaling = &journaling{p: p, start: end}
	p.direct = false
	if p.redone.to == end { // the journal has the tail
		p.journaling.start, p.journaling.next = p.redone.from, end
	}
	due := p.set.cfg.Durability.syncs() && p.durable() < end
	p.mu.Unlock()
	if due {
		p.set.flush.add(p)
	}
}

// truncated forgets what is no longer in the log, which ends at end; writing and
// mu are held.
func (p *Partition) truncated(end int64) {
	p.redone = redone{}
	p.heldFrom, p.heldTo = min(p.heldFrom, end), min(p.heldTo, end)
	p.counted = min(p.counted, end)
}

// full tells once, for all partitions, that the disk has no space for records,
// and once that it has again.
func (s *Set) full(cause error) {
	switch is := cause != nil; {
	case s.isFull.Swap(is) == is:
	case is:
		s.cfg.Logger.Error("the disk is full: producers get errors until there is space; reads go on", "err", cause)
		s.cfg.Hub.Emit(event.State{Kind: event.DiskFull, Broker: s.cfg.BrokerID, Partition: -1, Text: cause.Error()})
	default:
		s.cfg.Logger.Info("the disk has space again")
		s.cfg.Hub.Emit(event.State{Kind: event.DiskFree, Broker: s.cfg.BrokerID, Partition: -1})
	}
}
