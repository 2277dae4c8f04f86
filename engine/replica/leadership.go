package replica

import (
	"slices"
	"time"

	"github.com/logarium/logarium/engine/metadata"
)

// leadership is what a leader knows of its partition during one leader epoch.
// The partition's mu guards it.
type leadership struct {
	epoch          int32
	partitionEpoch int32
	start          int64   // log end when the epoch began
	isr            []int32 // as the controller last said, this broker among them
	proposed       []int32 // that the controller was asked for, nil: none; see KIP-497
	refused        bool    // the last proposal was: the proposer will come back to it
	remotes        []remote
}

// remote is another broker's replica as its leader knows it.
type remote struct {
	id      int32
	inSync  bool      // in isr
	counts  bool      // in isr or in what was proposed: the maximal ISR
	end     int64     // log end, -1: not known in this epoch
	start   int64     // log start, -1: not known
	broker  int64     // broker epoch of the last fetch
	link    *followed // in the session of its fetches, nil before the first
	fetched time.Duration
	// caughtUp is when it last had all that the leader had; endThen is what the
	// leader had at fetched.
	caughtUp time.Duration
	endThen  int64
}

// lead begins an epoch. now is on the Set's clock.
func newLeadership(mp *metadata.Partition, me int32, end int64, now time.Duration) *leadership {
	l := &leadership{epoch: mp.LeaderEpoch, start: end}
	l.adopt(mp, me, now)
	return l
}

// adopt takes over replicas and ISR as the controller says they are. A proposal
// that was under way is void: it was made for an earlier partition epoch.
func (l *leadership) adopt(mp *metadata.Partition, me int32, now time.Duration) {
	l.partitionEpoch = mp.PartitionEpoch
	l.isr, l.proposed, l.refused = mp.ISR, nil, false
	var remotes []remote
	if n := len(mp.Replicas) - 1; n > 0 {
		remotes = make([]remote, 0, n)
	}
	for _, id := range mp.Replicas {
		if id == me {
			continue
		}
		r := remote{id: id, end: -1, start: -1, caughtUp: now}
		if old := l.remote(id); old != nil {
			r = *old
		}
		remotes = append(remotes, r)
	}
	l.remotes = remotes
	l.settle()
}

// settle works out which replicas the high watermark waits for.
func (l *leadership) settle() {
	for i := range l.remotes {
		r := &l.remotes[i]
		r.inSync = slices.Contains(l.isr, r.id)
		r.counts = r.inSync || slices.Contains(l.proposed, r.id)
	}
}

func (l *leadership) remote(id int32) *remote {
	for i := range l.remotes {
		if l.remotes[i].id == id {
			return &l.remotes[i]
		}
	}
	return nil
}

// required is the least ISR with which acks=all is served and the high
// watermark rises (KIP-966).
func (l *leadership) required(minISR int) int { return min(minISR, len(l.remotes)+1) }

// note records a fetch from offset at when the leader's log ended at end.
func (r *remote) note(offset, logStart, brokerEpoch, end int64, now time.Duration) {
	switch {
	case offset >= end:
		r.caughtUp = now
	case r.end >= 0 && offset >= r.endThen:
		r.caughtUp = max(r.caughtUp, r.fetched)
	}
	r.end, r.start, r.broker = offset, logStart, brokerEpoch
	r.fetched, r.endThen = now, end
}

// behind says whether a replica has lagged for too long.
func (r *remote) behind(end int64, now, most time.Duration) bool {
	return r.end < end && now-r.caughtUp > most
}

// eligible says whether a replica may be in the ISR: its broker is up, and is
// the one that fetches (KIP-841, KIP-903).
func (s *Set) eligible(r *remote) bool {
	up := s.up.Load()
	if up == nil {
		return false
	}
	epoch, ok := (*up)[r.id]
	return ok && epoch == r.broker
}

// joining says whether the high watermark waits for a replica that is not in
// the ISR but about to be: without that it might never reach it.
func (s *Set) joining(r *remote) bool {
	return r.end >= 0 && s.clock()-r.caughtUp <= s.cfg.LagTimeMax && s.eligible(r)
}

// clock is the time since the Set was opened, which no change of the wall clock
// disturbs.
func (s *Set) clock() time.Duration { return time.Since(s.born) }
