package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
)

func (m *Machine) transition(now time.Time, g *group, to State) {
	g.previous, g.state = g.state, to
	g.since = now.UnixMilli()
	m.emit(event.State{Kind: event.GroupState, Group: g.id, Epoch: g.generation, Text: to.String()})
}

// rebalance starts a rebalance, or sees whether the one that is prepared has
// all its members now.
func (m *Machine) rebalance(now time.Time, g *group, why string) {
	if g.state == PreparingRebalance {
		m.tryCompleteJoin(now, g)
		return
	}
	m.prepareRebalance(now, g, why)
}

// prepareRebalance asks all members to join again: heartbeats answer
// REBALANCE_IN_PROGRESS from here on. The first rebalance of an empty group
// waits InitialRebalanceDelay for more members.
func (m *Machine) prepareRebalance(now time.Time, g *group, why string) {
	if g.state == CompletingRebalance {
		m.resetAssignments(now, g, kerr.RebalanceInProgress.Code)
	}
	m.stopWaitingForSync(g)
	initial := g.state == Empty
	m.transition(now, g, PreparingRebalance)
	m.cfg.Logger.Info("group rebalances", "group", g.id, "generation", g.generation, "members", len(g.members), "reason", why)
	switch {
	case initial:
		g.grown = false
		g.delay = m.cfg.InitialRebalanceDelay
		g.delayLeft = max(g.rebalanceTimeout()-g.delay, 0)
		m.timers.schedule(&g.join, now.Add(g.delay))
	case g.allJoined():
		m.completeJoin(now, g)
	default:
		m.timers.schedule(&g.join, now.Add(g.rebalanceTimeout()))
	}
}

// tryCompleteJoin completes a rebalance that has all its members. The first
// rebalance of a group ends by its delay alone.
func (m *Machine) tryCompleteJoin(now time.Time, g *group) {
	if g.state == PreparingRebalance && g.previous != Empty && g.allJoined() {
		m.completeJoin(now, g)
	}
}

// joinTimedOut ends the wait for members, unless the first rebalance has got
// new ones and may wait longer.
func (m *Machine) joinTimedOut(now time.Time, g *group) {
	if g.state != PreparingRebalance {
		return
	}
	if g.previous == Empty && g.grown && g.delayLeft > 0 {
		g.grown = false
		g.delay = min(m.cfg.InitialRebalanceDelay, g.delayLeft)
		g.delayLeft -= g.delay
		m.timers.schedule(&g.join, now.Add(g.delay))
		return
	}
	m.completeJoin(now, g)
	m.dropIfUnused(g)
}

// completeJoin begins the next generation with those who have joined, and the
// static members, who may come later. Without members the group is empty.
func (m *Machine) completeJoin(now time.Time, g *group) {
	m.timers.cancel(&g.join)
	for _, mb := range append([]*member(nil), g.order...) {
		if mb.joining == nil && mb.instance == nil {
			m.removeMember(g, mb, "timeout")
		}
	}
	if len(g.members) == 0 {
		m.becomeEmpty(now, g)
		return
	}
	if !g.electJoined() {
		// Only static members are left, and none has joined: wait until one
		// does or their sessions end.
		m.timers.schedule(&g.join, now.Add(g.rebalanceTimeout()))
		return
	}
	g.generation++
	chosen := g.selectProtocol()
	g.protocol = &chosen
	g.subscribe()
	m.transition(now, g, CompletingRebalance)
	clear(g.unsynced)
	for _, mb := range g.order {
		if mb.joining != nil {
			m.answer(mb.joining, m.joined(g, mb))
			mb.joining = nil
		}
		mb.fresh = false
		g.unsynced[mb.id] = struct{}{}
		m.timers.schedule(&mb.session, now.Add(mb.sessionTimeout))
	}
	g.awaiting = 0
	m.timers.schedule(&g.sync, now.Add(g.rebalanceTimeout()))
}

// becomeEmpty writes down that the group has no members. Should the write
// fail, the generation before comes back with a new coordinator, and its
// members' sessions end again.
func (m *Machine) becomeEmpty(now time.Time, g *group) {
	g.generation++
	g.protocol = nil
	g.leader = ""
	g.subscribe()
	m.stopWaitingForSync(g)
	m.transition(now, g, Empty)
	m.assign(g)
	if g.meta == nil && len(g.offsets) == 0 {
		return // nobody has ever completed a generation: nothing to undo
	}
	m.write([]Record{g.record(nil)}, func(code int16) {
		if code != 0 {
			m.cfg.Logger.Warn("cannot write that the group is empty", "group", g.id, "error", kerr.ErrorForCode(code))
		}
	})
}

// removeMember takes a member out of the group, for cause.
func (m *Machine) removeMember(g *group, mb *member, cause string) {
	// A client that still waits is to ask for a new id.
	m.answerJoin(g, mb, kerr.UnknownMemberID, "")
	m.answerSync(mb, kerr.UnknownMemberID.Code)
	m.timers.cancel(&mb.session)
	g.remove(mb)
	m.emit(event.State{Kind: event.MemberLeft, Group: g.id, Member: mb.id, ClientID: mb.client.ID, Text: cause})
}

// sessionEnded removes a member that has not been heard of. One that waits for
// an answer is alive, unless it is new: its client may have gone away, and it
// would be a member for ever.
func (m *Machine) sessionEnded(now time.Time, g *group, mb *member) {
	if g.members[mb.id] != mb || !mb.fresh && (mb.joining != nil || mb.syncing != nil) {
		return
	}
	m.removeMember(g, mb, "timeout")
	m.afterRemoval(now, g, "the session of member "+mb.id+" ended")
	m.dropIfUnused(g)
}

// afterRemoval rebalances a group that has lost members.
func (m *Machine) afterRemoval(now time.Time, g *group, why string) {
	switch g.state {
	case Stable, CompletingRebalance:
		m.prepareRebalance(now, g, why)
	case PreparingRebalance:
		m.tryCompleteJoin(now, g)
	}
}
