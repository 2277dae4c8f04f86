package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/event"
)

// replaceStatic lets a static member (KIP-345) that has restarted take the
// place of its former self. Who still uses the old member id is fenced. If the
// group is stable and would choose the same protocol, nobody else notices.
func (m *Machine) replaceStatic(now time.Time, to Token, g *group, old *member, id string, req *kmsg.JoinGroupRequest) {
	leaderBefore := g.leader
	before := *old
	mb := m.rename(now, g, old, id)
	m.update(g, mb, to, req)
	replaced := func() {
		m.emit(event.State{Kind: event.MemberLeft, Group: g.id, Member: before.id, ClientID: mb.client.ID, Text: "replaced"})
		m.emit(event.State{Kind: event.MemberJoined, Group: g.id, Member: id, ClientID: mb.client.ID})
	}
	quiet := g.state == Stable && g.protocol != nil && *g.protocol == g.selectProtocol()
	if !quiet {
		replaced()
	}
	if g.state == CompletingRebalance {
		// The leader may assign to the old id: start over.
		m.prepareRebalance(now, g, reason(req, "static member "+*mb.instance+" joined again"))
		return
	}
	if !quiet {
		m.rebalance(now, g, reason(req, "static member "+*mb.instance+" joined with another protocol"))
		return
	}
	record := g.record(func(o *member) []byte { return o.assignment })
	m.write([]Record{record}, func(code int16) {
		if code != 0 {
			m.answerJoin(g, mb, kerr.TypedErrorForCode(code), "")
			m.setProtocols(g, mb, before.protocols, before.rebalanceTimeout, before.sessionTimeout)
			m.rename(now, g, mb, before.id)
			return
		}
		replaced()
		resp := m.joined(g, mb)
		switch {
		case g.leader != mb.id:
		case req.Version >= joinCanSkipAssignment:
			resp.SkipAssignment = true
		default:
			// Older clients compute an assignment if they are told that they
			// lead, and nobody would wait for it: name them the former leader.
			resp.LeaderID, resp.Members = leaderBefore, nil
		}
		m.answer(mb.joining, resp)
		mb.joining = nil
		g.awaiting--
		m.assign(g)
	})
}

// rename gives a static member another id and fences the one that had the old.
func (m *Machine) rename(now time.Time, g *group, old *member, id string) *member {
	m.answerJoin(g, old, kerr.FencedInstanceID, old.id)
	m.answerSync(old, kerr.FencedInstanceID.Code)
	m.timers.cancel(&old.session)
	mb := *old
	mb.id, mb.session, mb.told = id, timer{}, 0
	m.watch(g, &mb)
	delete(g.members, old.id)
	g.members[id] = &mb
	g.static[*mb.instance] = id
	for i, o := range g.order {
		if o == old {
			g.order[i] = &mb
		}
	}
	if g.leader == old.id {
		g.leader = id
	}
	if _, ok := g.unsynced[old.id]; ok {
		delete(g.unsynced, old.id)
		g.unsynced[id] = struct{}{}
	}
	m.timers.schedule(&mb.session, now.Add(mb.sessionTimeout))
	return &mb
}
