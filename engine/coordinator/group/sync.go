package group

import (
	"bytes"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/event"
)

// SyncGroup hands the leader's assignment out (key 14). A follower's answer
// waits for the leader's request, the leader's for the record that holds the
// generation. Errors: INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID,
// ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL, REBALANCE_IN_PROGRESS.
func (m *Machine) SyncGroup(now time.Time, to Token, req *kmsg.SyncGroupRequest) {
	g, mb, err := m.syncing(req)
	if err == nil && g.state == PreparingRebalance {
		err = kerr.RebalanceInProgress
	}
	if err != nil {
		resp := kmsg.NewPtrSyncGroupResponse()
		resp.ErrorCode = err.Code
		m.answer(to, resp)
		return
	}
	delete(g.unsynced, mb.id)
	if len(g.unsynced) == 0 {
		m.timers.cancel(&g.sync)
	}
	if g.state == Stable {
		m.answer(to, g.synced(mb))
		return
	}
	m.answerSync(mb, kerr.RebalanceInProgress.Code) // an earlier request that nobody reads
	mb.syncing = to
	if g.leader == mb.id {
		m.complete(now, g, req)
	}
}

// syncNamesProtocol is the version from which a SyncGroup must say what it
// thinks the protocol is (KIP-559).
const syncNamesProtocol = 5

// syncing finds whom a SyncGroup is from and checks what it says.
func (m *Machine) syncing(req *kmsg.SyncGroupRequest) (*group, *member, *kerr.Error) {
	switch {
	case req.Group == "":
		return nil, nil, kerr.InvalidGroupID
	case req.Version >= syncNamesProtocol && (req.ProtocolType == nil || req.Protocol == nil):
		return nil, nil, kerr.InconsistentGroupProtocol
	}
	g := m.groups[req.Group]
	if g == nil {
		return nil, nil, kerr.UnknownMemberID
	}
	mb, err := g.lookup(req.MemberID, req.InstanceID)
	switch {
	case err != nil:
		return nil, nil, err
	case req.Generation != g.generation:
		return nil, nil, kerr.IllegalGeneration
	case req.ProtocolType != nil && *req.ProtocolType != g.protocolType,
		req.Protocol != nil && g.protocol != nil && *req.Protocol != *g.protocol:
		return nil, nil, kerr.InconsistentGroupProtocol
	}
	return g, mb, nil
}

// complete writes the generation down with the leader's assignment. When that
// is done the group is stable.
func (m *Machine) complete(now time.Time, g *group, req *kmsg.SyncGroupRequest) {
	assignment := make(map[string][]byte, len(req.GroupAssignment))
	for _, a := range req.GroupAssignment {
		assignment[a.MemberID] = bytes.Clone(a.MemberAssignment)
	}
	record := g.record(func(mb *member) []byte { return assignment[mb.id] })
	generation := g.generation
	m.write([]Record{record}, func(code int16) {
		if g.state != CompletingRebalance || g.generation != generation {
			return // answered by what has happened since
		}
		if code != 0 {
			m.resetAssignments(now, g, code)
			m.prepareRebalance(now, g, "the assignment could not be written")
			return
		}
		for _, mb := range g.order {
			mb.assignment = assignment[mb.id]
			if mb.syncing != nil {
				m.answer(mb.syncing, g.synced(mb))
				mb.syncing = nil
				m.timers.schedule(&mb.session, now.Add(mb.sessionTimeout))
			}
		}
		m.transition(now, g, Stable)
		m.assign(g)
	})
}

// synced is the answer to a member of a stable group.
func (g *group) synced(mb *member) *kmsg.SyncGroupResponse {
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.ProtocolType = g.protocolTypeOrNil()
	resp.Protocol = g.protocol
	resp.MemberAssignment = mb.assignment
	return resp
}

// answerSync ends a member's wait for its SyncGroup with an error.
func (m *Machine) answerSync(mb *member, code int16) {
	if mb.syncing == nil {
		return
	}
	resp := kmsg.NewPtrSyncGroupResponse()
	resp.ErrorCode = code
	m.answer(mb.syncing, resp)
	mb.syncing = nil
}

// resetAssignments takes all assignments back and answers with code who waits
// for one. Their sessions begin anew: while they waited, none ended.
func (m *Machine) resetAssignments(now time.Time, g *group, code int16) {
	for _, mb := range g.order {
		mb.assignment = nil
		if mb.syncing != nil {
			m.answerSync(mb, code)
			m.timers.schedule(&mb.session, now.Add(mb.sessionTimeout))
		}
	}
}

func (m *Machine) stopWaitingForSync(g *group) {
	clear(g.unsynced)
	m.timers.cancel(&g.sync)
}

// syncTimedOut removes the members that have joined the generation and then
// never asked for their assignment.
func (m *Machine) syncTimedOut(now time.Time, g *group) {
	if g.state != CompletingRebalance && g.state != Stable || len(g.unsynced) == 0 {
		return
	}
	for _, mb := range append([]*member(nil), g.order...) {
		if _, ok := g.unsynced[mb.id]; ok {
			m.removeMember(g, mb, "timeout")
		}
	}
	m.prepareRebalance(now, g, "members did not ask for their assignment")
	m.dropIfUnused(g)
}

// assign tells who has which partition by the group's newest generation:
// gauges for what has changed, an event for each member whose part has.
func (m *Machine) assign(g *group) {
	next := make(map[topicPartition]string)
	if g.protocolType == consumerProtocol {
		for _, mb := range g.order {
			tps, err := assignedPartitions(mb.assignment)
			if err != nil {
				m.cfg.Logger.Warn("cannot read an assignment", "group", g.id, "member", mb.id, "error", err)
				continue
			}
			for _, tp := range tps {
				next[tp] = mb.id
			}
			if text := describeAssignment(tps); fingerprint(text) != mb.told {
				mb.told = fingerprint(text)
				m.emit(event.State{Kind: event.AssignmentChanged, Group: g.id, Member: mb.id,
					ClientID: mb.client.ID, Epoch: g.generation, Text: shorten(text)})
			}
		}
	}
	for tp := range g.assigned {
		if _, ok := next[tp]; ok {
			continue
		}
		set := Unassigned
		if _, ok := g.offsets[tp]; !ok {
			set = Forgotten
		}
		m.gauge(GaugeChange{Key: g.key(tp), Set: set})
	}
	for tp, id := range next {
		if g.assigned[tp] != id {
			m.gauge(GaugeChange{Key: g.key(tp), Set: Assigned, Member: id, ClientID: g.members[id].client.ID})
		}
	}
	g.assigned = next
}
