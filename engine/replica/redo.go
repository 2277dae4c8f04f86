package replica

import (
	"errors"
	"fmt"
	"time"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/journal"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
)

// redone is the end of a log that came out of the journal, which still has it.
type redone struct{ from, to int64 }

// redo brings the logs of new replicas to what the journal has: acknowledged
// records that were not synced in the logs themselves when the power went, or
// when this broker was killed. Nobody can find the replicas yet.
func (s *Set) redo(added []*Partition) error {
	if s.cfg.Journal == nil || s.last.clean || len(added) == 0 {
		return nil
	}
	at := make(map[PartitionID]*Partition, len(added))
	for _, p := range added {
		if p.log != nil {
			at[p.ref()] = p
		}
	}
	began, entries := time.Now(), 0
	errs := map[*Partition]error{}
	err := s.cfg.Journal.Recover(func(e journal.Entry) error {
		p := at[PartitionID{metadata.UUID(e.Topic), e.Partition}]
		if p == nil || errs[p] != nil {
			return nil
		}
		applied, err := p.redo(e)
		if err != nil {
			errs[p] = fmt.Errorf("recovering %s: %w", p.dir(), err)
		} else if applied {
			entries++
		}
		return nil
	})
	if err != nil { // the logs may lack what was acknowledged: none of them may lead
		err = fmt.Errorf("recovering logs: %w", err)
		for _, p := range at {
			errs[p] = err
		}
	}
	all := make([]error, 0, len(errs))
	for p, err := range errs {
		p.fail(err)
		all = append(all, err)
	}
	if entries > 0 {
		s.cfg.Logger.Info("recovered records from the journal", "entries", entries, "took", time.Since(began).Round(time.Millisecond))
	}
	return errors.Join(all...)
}

// redo applies one entry, if the log lacks it and the entry belongs there. A log
// that ends before it was out of sync when it was written: its leader had it
// elsewhere.
func (p *Partition) redo(e journal.Entry) (applied bool, err error) {
	l := p.log
	end := l.End()
	switch {
	case e.Epoch < l.LatestEpoch() || end < e.First || e.Next <= l.Start():
		return false, nil
	case end > e.First:
		first := max(e.First, l.Start())
		if has := l.EpochAt(first); has >= 0 && has < e.Epoch { // what an older leader wrote, and no other had
			if err := l.Truncate(first); err != nil {
				return false, err
			}
			p.redone = redone{}
			end = l.End()
		}
	}
	rest := e.Batches
	for b := range batch.Split(e.Batches) {
		if h, err := batch.ParseHeader(b); err != nil || h.LastOffset() >= end {
			break
		}
		rest = rest[len(b):]
	}
	if len(rest) == 0 || e.Next <= end {
		return false, nil
	}
	if p.redone.to != end {
		p.redone.from = end
	}
	if _, err := l.Append(rest, storage.AppendOptions{Now: time.Now(), Origin: storage.FromLeader}); err != nil {
		return false, err
	}
	p.redone.to = l.End()
	p.counters.LogEnd.Store(l.End())
	return true, nil
}

// errBehind says that a replica does not have yet what is to be synced.
var errBehind = errors.New("the replica does not have it yet")

// SyncThrough syncs the log of a partition up to an offset. It is no error if
// this broker has no such replica.
func (s *Set) SyncThrough(topic metadata.UUID, index int32, next int64) error {
	p := s.held(topic, index)
	switch {
	case p == nil || p.ended.Load():
		return nil
	case p.log == nil:
		return fmt.Errorf("%s is offline", p.dir())
	case p.log.Synced() >= next:
		return nil
	case p.log.End() < next:
		return errBehind
	}
	return p.sync()
}

// Checkpoint writes down how far each log is on disk. It comes after SyncThrough
// and before the journal releases what was synced: whatever is above these
// points is in the journal.
func (s *Set) Checkpoint() error {
	s.pointing.lock()
	defer s.pointing.unlock()
	return s.writeCheckpoint(s.Partitions())
}

// EndOf returns the log end of a partition that this broker has a replica of.
func (s *Set) EndOf(topic metadata.UUID, index int32) (end int64, ok bool) {
	p := s.held(topic, index)
	if p == nil || p.log == nil || p.ended.Load() {
		return 0, false
	}
	return p.log.End(), true
}
