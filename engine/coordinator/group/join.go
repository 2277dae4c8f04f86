package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/event"
)

// Versions of JoinGroup from which something is different.
const (
	joinHasRebalanceTimeout = 1
	joinNeedsMemberID       = 4 // KIP-394
	joinCanSkipAssignment   = 9 // KIP-814
)

// longestString is what the records can hold of a name or id, in bytes.
const longestString = 1<<15 - 1

// JoinGroup takes a member into a group (key 11). The answer comes when all
// members have joined, or at once with an error: INVALID_GROUP_ID,
// INVALID_SESSION_TIMEOUT, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID,
// INCONSISTENT_GROUP_PROTOCOL, GROUP_MAX_SIZE_REACHED, MEMBER_ID_REQUIRED.
func (m *Machine) JoinGroup(now time.Time, to Token, c Client, req *kmsg.JoinGroupRequest) {
	session := time.Duration(req.SessionTimeoutMillis) * time.Millisecond
	switch {
	case req.Group == "" || len(req.Group) > longestString:
		m.refuseJoin(to, kerr.InvalidGroupID, req.MemberID)
		return
	case session < m.cfg.MinSessionTimeout || session > m.cfg.MaxSessionTimeout:
		m.refuseJoin(to, kerr.InvalidSessionTimeout, req.MemberID)
		return
	case !joinFits(c, req):
		m.refuseJoin(to, kerr.InvalidRequest, req.MemberID)
		return
	}
	if req.Version < joinHasRebalanceTimeout {
		req.RebalanceTimeoutMillis = req.SessionTimeoutMillis
	}
	g := m.groups[req.Group]
	if g == nil {
		switch {
		case req.MemberID != "":
			m.refuseJoin(to, kerr.UnknownMemberID, req.MemberID)
			return
		case req.ProtocolType == "" || len(req.Protocols) == 0:
			m.refuseJoin(to, kerr.InconsistentGroupProtocol, "")
			return
		}
		g = m.create(now, req.Group)
	}
	switch {
	case !m.accepts(g, req.MemberID):
		m.turnAway(now, g, req.MemberID)
		m.refuseJoin(to, kerr.GroupMaxSizeReached, "")
	case !g.supports(req.ProtocolType, req.Protocols):
		m.refuseJoin(to, kerr.InconsistentGroupProtocol, req.MemberID)
	case req.MemberID == "":
		m.joinNew(now, to, c, g, req)
	default:
		m.joinKnown(now, to, c, g, req)
	}
	m.dropIfUnused(g)
}

// joinFits says whether the records can hold the request's strings.
func joinFits(c Client, req *kmsg.JoinGroupRequest) bool {
	const uuid = 37
	fits := len(c.ID) <= longestString-uuid && len(req.ProtocolType) <= longestString && len(req.MemberID) <= longestString
	if req.InstanceID != nil {
		fits = fits && len(*req.InstanceID) <= longestString-uuid
	}
	for _, p := range req.Protocols {
		fits = fits && len(p.Name) <= longestString
	}
	return fits
}

func (m *Machine) refuseJoin(to Token, err *kerr.Error, memberID string) {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.ErrorCode = err.Code
	resp.MemberID = memberID
	m.answer(to, resp)
}

// accepts says whether the group has room for the member. While a rebalance is
// prepared, those who have joined count, so that the last to come are left out
// of a group that has too many.
func (m *Machine) accepts(g *group, memberID string) bool {
	mb := g.members[memberID]
	switch g.state {
	case PreparingRebalance:
		return mb != nil && mb.joining != nil || g.awaiting < m.cfg.MaxGroupSize
	case CompletingRebalance, Stable:
		return mb != nil || len(g.members) < m.cfg.MaxGroupSize
	default:
		return true
	}
}

// turnAway forgets a member for which there is no room.
func (m *Machine) turnAway(now time.Time, g *group, memberID string) {
	m.forgetPending(g, memberID)
	if mb := g.members[memberID]; mb != nil {
		m.removeMember(g, mb, "group.max.size")
	}
	m.tryCompleteJoin(now, g)
}

func (m *Machine) joinNew(now time.Time, to Token, c Client, g *group, req *kmsg.JoinGroupRequest) {
	if req.InstanceID != nil {
		id := *req.InstanceID + "-" + m.cfg.NewID()
		if old, ok := g.static[*req.InstanceID]; ok {
			m.replaceStatic(now, to, g, g.members[old], id, req)
			return
		}
		m.addMember(now, to, c, g, id, req)
		return
	}
	id := c.ID + "-" + m.cfg.NewID()
	if req.Version < joinNeedsMemberID {
		m.addMember(now, to, c, g, id, req)
		return
	}
	t := &timer{fire: func(now time.Time) {
		m.forgetPending(g, id)
		m.tryCompleteJoin(now, g)
		m.dropIfUnused(g)
	}}
	g.pending[id] = t
	m.timers.schedule(t, now.Add(millis(req.SessionTimeoutMillis)))
	m.refuseJoin(to, kerr.MemberIDRequired, id)
}

// forgetPending forgets a member id that was given out, and says whether it
// was.
func (m *Machine) forgetPending(g *group, id string) bool {
	t, ok := g.pending[id]
	if ok {
		m.timers.cancel(t)
		delete(g.pending, id)
	}
	return ok
}

func (m *Machine) joinKnown(now time.Time, to Token, c Client, g *group, req *kmsg.JoinGroupRequest) {
	if req.InstanceID == nil && m.forgetPending(g, req.MemberID) {
		m.addMember(now, to, c, g, req.MemberID, req)
		return
	}
	mb, err := g.lookup(req.MemberID, req.InstanceID)
	if err != nil {
		m.refuseJoin(to, err, req.MemberID)
		return
	}
	same := mb.can(protocolsOf(req.Protocols))
	switch {
	case g.state == CompletingRebalance && same:
		// The first answer may have been lost: the generation is still right.
		m.answer(to, m.joined(g, mb))
	case g.state == Stable && same && g.leader != mb.id:
		m.answer(to, m.joined(g, mb))
	case g.state == Empty:
		m.refuseJoin(to, kerr.UnknownMemberID, req.MemberID)
	default:
		// A leader that joins again wants new assignments, for it has seen
		// something that its metadata does not show, such as new partitions.
		m.update(g, mb, to, req)
		m.rebalance(now, g, reason(req, "member "+mb.id+" joined again while the group was "+g.state.String()))
	}
}

// lookup finds a member by what a request says of it: UNKNOWN_MEMBER_ID, or
// FENCED_INSTANCE_ID when the static member has another id by now.
func (g *group) lookup(memberID string, instance *string) (*member, *kerr.Error) {
	if instance != nil {
		switch id, ok := g.static[*instance]; {
		case !ok:
			return nil, kerr.UnknownMemberID
		case id != memberID:
			return nil, kerr.FencedInstanceID
		}
	}
	if mb := g.members[memberID]; mb != nil {
		return mb, nil
	}
	return nil, kerr.UnknownMemberID
}

// reason adds what the client says (KIP-800) to why a group rebalances.
func reason(req *kmsg.JoinGroupRequest, why string) string {
	if req.Reason == nil || *req.Reason == "" {
		return why
	}
	return why + "; client reason: " + *req.Reason
}

// addMember adds a member that waits for the rebalance which that starts.
func (m *Machine) addMember(now time.Time, to Token, c Client, g *group, id string, req *kmsg.JoinGroupRequest) {
	mb := &member{
		id:               id,
		instance:         req.InstanceID,
		client:           c,
		sessionTimeout:   millis(req.SessionTimeoutMillis),
		rebalanceTimeout: millis(req.RebalanceTimeoutMillis),
		protocols:        protocolsOf(req.Protocols),
		joining:          to,
		fresh:            true,
	}
	m.watch(g, mb)
	if g.state == PreparingRebalance && g.previous == Empty {
		g.grown = true
	}
	g.add(mb, req.ProtocolType)
	m.emit(event.State{Kind: event.MemberJoined, Group: g.id, Member: id, ClientID: c.ID})
	// A member that does not know its id cannot send heartbeats, and one that
	// has gone away would be waited for again and again: it has this long.
	m.timers.schedule(&mb.session, now.Add(m.cfg.NewMemberJoinTimeout))
	m.rebalance(now, g, reason(req, "member "+id+" is new"))
}

// watch sets what happens when the member's session ends.
func (m *Machine) watch(g *group, mb *member) {
	mb.session.fire = func(now time.Time) { m.sessionEnded(now, g, mb) }
}

// update takes over what a member says when it joins again.
func (m *Machine) update(g *group, mb *member, to Token, req *kmsg.JoinGroupRequest) {
	m.setProtocols(g, mb, protocolsOf(req.Protocols), millis(req.RebalanceTimeoutMillis), millis(req.SessionTimeoutMillis))
	if mb.joining != nil {
		// The same member asks twice, so nobody reads the first answer.
		m.answerJoin(g, mb, kerr.RebalanceInProgress, mb.id)
	}
	mb.joining = to
	g.awaiting++
}

func (m *Machine) setProtocols(g *group, mb *member, protocols []protocol, rebalance, session time.Duration) {
	g.count(mb, -1)
	mb.protocols = protocols
	g.count(mb, 1)
	mb.rebalanceTimeout, mb.sessionTimeout = rebalance, session
}

// answerJoin ends a member's wait for its JoinGroup with an error.
func (m *Machine) answerJoin(g *group, mb *member, err *kerr.Error, memberID string) {
	if mb.joining == nil {
		return
	}
	m.refuseJoin(mb.joining, err, memberID)
	mb.joining = nil
	g.awaiting--
}

// joined is the answer to a member of the present generation; the leader is
// told all members.
func (m *Machine) joined(g *group, mb *member) *kmsg.JoinGroupResponse {
	resp := kmsg.NewPtrJoinGroupResponse()
	resp.Generation = g.generation
	resp.ProtocolType = g.protocolTypeOrNil()
	resp.Protocol = g.protocol
	resp.LeaderID = g.leader
	resp.MemberID = mb.id
	if g.leader != mb.id {
		return resp
	}
	for _, o := range g.order {
		resp.Members = append(resp.Members, kmsg.JoinGroupResponseMember{
			MemberID:         o.id,
			InstanceID:       o.instance,
			ProtocolMetadata: o.metadata(g.protocol),
		})
	}
	return resp
}
