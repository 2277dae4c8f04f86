package live

import (
	"slices"
	"strings"

	"github.com/logarium/logarium/engine/event"
)

// apply brings the structure up to the given state events, which follow those
// applied before. lost is how many in between the hub no longer held.
func (w *world) apply(events []event.State, lost uint64) {
	if lost > 0 { // what they told is known from the counters, except for the members
		w.bump()
		for _, p := range w.partList {
			p.shrunk(-1, false)
		}
	}
	for i := range events {
		w.applyOne(&events[i])
		w.seq = events[i].Seq
	}
}

// visible returns the events that people are told of: the coming and going of
// hidden clients is not among them. It uses the slice that it is given.
func (w *world) visible(events []event.State) []event.State {
	return slices.DeleteFunc(events, func(e event.State) bool {
		return (e.Kind == event.ClientConnected || e.Kind == event.ClientGone) && w.hidden[e.ClientID]
	})
}

func (w *world) applyOne(e *event.State) {
	switch e.Kind {
	case event.BrokerStarted, event.BrokerStopped, event.BrokerFailed, event.BrokerKilled, event.BrokerPaused, event.BrokerResumed,
		event.BrokerDraining, event.BrokerFenced, event.BrokerUnfenced:
		w.applyBroker(e)
	case event.LeaderElected:
		w.applyElection(e)
	case event.IsrShrunk, event.IsrExpanded:
		w.applySync(e)
	case event.ControllerElected:
		w.controller = e.Broker
		w.bump()
	case event.SegmentRolled, event.LogStartMoved, event.LogTruncated:
		w.applySegment(e)
	case event.ClientConnected, event.ClientGone:
		w.applyClient(e)
	case event.GroupCreated, event.GroupDeleted, event.GroupState, event.MemberJoined, event.MemberLeft, event.AssignmentChanged:
		w.applyGroup(e)
	}
}

// stateAfter is the state of a broker after an event, "" where it stays as it is.
var stateAfter = map[event.Kind]string{
	event.BrokerStarted: "running", event.BrokerResumed: "running", event.BrokerStopped: "stopped", event.BrokerFailed: "failed",
	event.BrokerKilled: "killed", event.BrokerPaused: "paused", event.BrokerDraining: "draining",
}

func (w *world) applyBroker(e *event.State) {
	w.bump()
	if e.Broker < 0 { // the journal, which all brokers share
		w.journal = e.Text
		return
	}
	b := w.broker(e.Broker)
	if state := stateAfter[e.Kind]; state != "" {
		b.State, b.Cause = state, ""
	}
	b.Up = b.State == "running" || b.State == "draining"
	switch e.Kind {
	case event.BrokerStarted:
		b.Address = e.Text
	case event.BrokerFailed:
		b.Cause = e.Text
	case event.BrokerFenced:
		b.Fenced = true
	case event.BrokerUnfenced:
		b.Fenced = false
	}
}

// applyElection notes a leader before its own counters tell of it.
func (w *world) applyElection(e *event.State) {
	p := w.parts[topicPartition{e.Topic, e.Partition}]
	if p == nil || e.Epoch < p.elected.epoch {
		return
	}
	p.elected = election{e.Broker, e.Epoch}
	if e.Broker >= 0 {
		p.shrunk(e.Broker, false)
	}
	if p.leader != e.Broker || p.epoch != e.Epoch {
		p.leader, p.epoch = e.Broker, e.Epoch
		w.bump()
	}
}

// applySync notes who left the ISR or came back. The counters of a broker that
// hangs or is cut off say what it knew.
func (w *world) applySync(e *event.State) {
	if p := w.parts[topicPartition{e.Topic, e.Partition}]; p != nil {
		p.shrunk(e.Broker, e.Kind == event.IsrShrunk)
		w.countSync(p)
	}
}

// shrunk notes of a broker's replica, -1 for all, whether it left the ISR.
func (p *partition) shrunk(broker int32, left bool) {
	for _, r := range p.replicas {
		if broker < 0 || r.c.Broker == broker {
			r.shrunk = left
		}
	}
}

// applySegment keeps the boundaries of the newest segments for the drawing of
// whole logs.
func (w *world) applySegment(e *event.State) {
	p := w.parts[topicPartition{e.Topic, e.Partition}]
	if p == nil || (p.leader != e.Broker && p.leader >= 0) {
		return
	}
	switch e.Kind {
	case event.SegmentRolled:
		p.bases = append(p.bases, e.A)
		if len(p.bases) > maxBases {
			p.bases = slices.Clone(p.bases[len(p.bases)-maxBases:])
		}
	case event.LogStartMoved:
		p.bases = slices.DeleteFunc(p.bases, func(b int64) bool { return b <= e.B })
	case event.LogTruncated:
		p.bases = slices.DeleteFunc(p.bases, func(b int64) bool { return b >= e.B })
	}
	w.bump()
}

func (w *world) applyClient(e *event.State) {
	if w.hidden[e.ClientID] || e.ClientID == "" {
		return
	}
	if e.Kind == event.ClientGone {
		if c := w.clients[e.ClientID]; c != nil && c.conns > 0 {
			c.conns--
			w.bump()
		}
		return
	}
	c := w.client(e.ClientID)
	c.conns++
	if e.Text != "" {
		c.software = e.Text
	}
	w.bump()
}

func (w *world) applyGroup(e *event.State) {
	if e.Kind == event.GroupDeleted {
		if g := w.groups[e.Group]; g != nil {
			delete(w.groups, e.Group)
			for k, l := range w.lags {
				if l.group == g {
					delete(w.lags, k)
				}
			}
			w.lagList = slices.DeleteFunc(w.lagList, func(l *lag) bool { return l.group == g })
			w.bump()
		}
		return
	}
	g := w.group(e.Group)
	w.bump()
	switch e.Kind {
	case event.GroupState:
		g.state, g.generation = e.Text, e.Epoch
		if strings.EqualFold(e.Text, "Empty") || strings.EqualFold(e.Text, "Dead") {
			g.members = nil
		}
	case event.MemberJoined:
		w.addMember(g, Member{ID: e.Member, ClientID: e.ClientID})
	case event.MemberLeft:
		g.members = slices.DeleteFunc(slices.Clone(g.members), func(m Member) bool { return m.ID == e.Member })
	case event.AssignmentChanged:
		g.generation = e.Epoch
	}
}

// addMember notes a member, or what is newly known of it. The list is copied,
// since models that were made before share it.
func (w *world) addMember(g *group, m Member) {
	i := slices.IndexFunc(g.members, func(o Member) bool { return o.ID == m.ID })
	switch {
	case i < 0 && len(g.members) >= maxMembers:
		return
	case i < 0:
		g.members = append(slices.Clone(g.members), m)
	case m.ClientID != "" && g.members[i].ClientID != m.ClientID:
		g.members = slices.Clone(g.members)
		g.members[i] = m
	default:
		return
	}
	w.bump()
}
