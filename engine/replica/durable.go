package replica

import "github.com/logarium/logarium/engine/storage"

// admit waits until there is room for what a leader appends; no lock is held.
func (s *Set) admit() error { return nil }

// persist has what a leader appended made durable; writing is held.
func (p *Partition) persist([]byte, storage.Appended) { p.set.flush.add(p) }

// persistCopy has what a follower appended synced some time: the high watermark
// does not wait for it. writing is held.
func (p *Partition) persistCopy(storage.Appended) { p.set.flush.add(p) }

// durable is the offset below which the leader's own log is as durable as
// commits ask for; mu is held.
func (p *Partition) durable() int64 {
	if p.set.cfg.Durability == Group {
		return p.log.Synced()
	}
	return p.log.End()
}

// nowLeads has the tail that this replica has as it begins to lead made
// durable; writing is held.
func (p *Partition) nowLeads() {
	if p.durable() < p.log.End() {
		p.set.flush.add(p)
	}
}

// truncated forgets what is no longer in the log, which ends at end; writing and
// mu are held.
func (p *Partition) truncated(end int64) {}
