package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Heartbeat extends a member's session (key 12) and returns the error code of
// the answer: 0, INVALID_GROUP_ID, UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID,
// ILLEGAL_GENERATION or REBALANCE_IN_PROGRESS. It needs no Flush.
func (m *Machine) Heartbeat(now time.Time, req *kmsg.HeartbeatRequest) int16 {
	if req.Group == "" {
		return kerr.InvalidGroupID.Code
	}
	g := m.groups[req.Group]
	if g == nil {
		return kerr.UnknownMemberID.Code
	}
	mb, err := g.lookup(req.MemberID, req.InstanceID)
	if err != nil {
		return err.Code
	}
	if req.Generation != g.generation {
		return kerr.IllegalGeneration.Code
	}
	m.timers.schedule(&mb.session, now.Add(mb.sessionTimeout))
	if g.state == PreparingRebalance {
		return kerr.RebalanceInProgress.Code
	}
	return 0
}

// leaveIsBatched is the version from which a LeaveGroup names many members.
const leaveIsBatched = 3

// LeaveGroup takes members out (key 13): by member id, or static ones by
// instance id alone, as an administrator does.
func (m *Machine) LeaveGroup(now time.Time, to Token, req *kmsg.LeaveGroupRequest) {
	resp := kmsg.NewPtrLeaveGroupResponse()
	g := m.groups[req.Group]
	members := req.Members
	if req.Version < leaveIsBatched {
		members = []kmsg.LeaveGroupRequestMember{{MemberID: req.MemberID}}
	}
	if req.Group == "" {
		resp.ErrorCode = kerr.InvalidGroupID.Code
		m.answer(to, resp)
		return
	}
	left := false
	for _, who := range members {
		one := kmsg.NewLeaveGroupResponseMember()
		one.MemberID, one.InstanceID = who.MemberID, who.InstanceID
		if err := m.leave(g, who); err != nil {
			one.ErrorCode = err.Code
		} else {
			left = true
		}
		resp.Members = append(resp.Members, one)
	}
	if req.Version < leaveIsBatched {
		resp.ErrorCode, resp.Members = resp.Members[0].ErrorCode, nil
	}
	if left {
		m.afterRemoval(now, g, "members left")
		m.dropIfUnused(g)
	}
	m.answer(to, resp)
}

// leave takes one member out of g, which may be nil.
func (m *Machine) leave(g *group, who kmsg.LeaveGroupRequestMember) *kerr.Error {
	if g == nil {
		return kerr.UnknownMemberID
	}
	id := who.MemberID
	if id == "" {
		if who.InstanceID == nil {
			return kerr.UnknownMemberID
		}
		id = g.static[*who.InstanceID]
	}
	if m.forgetPending(g, id) {
		return nil
	}
	mb, err := g.lookup(id, who.InstanceID)
	if err != nil {
		return err
	}
	m.removeMember(g, mb, "leave")
	return nil
}
