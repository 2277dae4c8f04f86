package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Replay makes a record's change to the durable state. It is the only way that
// state changes, live and when a coordinator is elected.
func (m *Machine) Replay(r Record) {
	switch r := r.(type) {
	case OffsetRecord:
		m.replayOffset(r)
	case GroupRecord:
		m.replayGroup(r)
	}
}

func (m *Machine) replayOffset(r OffsetRecord) {
	g := m.groups[r.Group]
	tp := topicPartition{r.Topic, r.Partition}
	if r.Offset == nil {
		if g != nil {
			delete(g.offsets, tp)
		}
		return
	}
	if g == nil {
		g = m.newGroup(r.Group)
	}
	if g.offsets == nil {
		g.offsets = make(map[topicPartition]Offset)
	}
	g.offsets[tp] = *r.Offset
}

func (m *Machine) replayGroup(r GroupRecord) {
	g := m.groups[r.Group]
	if g == nil {
		if r.Meta == nil {
			return
		}
		g = m.newGroup(r.Group)
	}
	g.meta = r.Meta
}

// Loaded is called once, after all the log has been replayed: it makes what is
// not durable out of what is, gives each member a new session, and says what
// the gauges are.
func (m *Machine) Loaded(now time.Time) {
	for id, g := range m.groups {
		if g.meta == nil && len(g.offsets) == 0 {
			delete(m.groups, id)
			continue
		}
		m.revive(now, g)
		for tp, o := range g.offsets {
			m.gauge(GaugeChange{Key: g.key(tp), Set: Loaded, Offset: o.Offset})
		}
		m.assign(g)
	}
	m.loaded = true
	for _, g := range m.groups {
		if len(g.members) > m.cfg.MaxGroupSize {
			m.prepareRebalance(now, g, "the group was loaded with more members than group.max.size")
		}
	}
	m.timers.schedule(&m.sweeper, now.Add(m.cfg.OffsetsRetentionCheck))
}

// revive sets up a group as its newest generation left it.
func (m *Machine) revive(now time.Time, g *group) {
	v := g.meta
	if v == nil {
		return
	}
	g.generation, g.protocolType, g.protocol = v.Generation, v.ProtocolType, v.Protocol
	g.since = v.CurrentStateTimestamp
	for i := range v.Members {
		mb := memberOf(&v.Members[i], v.Protocol)
		if g.members[mb.id] != nil {
			continue
		}
		g.add(mb, v.ProtocolType)
		m.watch(g, mb)
		m.timers.schedule(&mb.session, now.Add(mb.sessionTimeout))
	}
	if v.Leader != nil && g.members[*v.Leader] != nil {
		g.leader = *v.Leader
	}
	if len(g.members) > 0 {
		g.state = Stable
	}
	g.subscribe()
}

func memberOf(v *kmsg.GroupMetadataValueMember, name *string) *member {
	rebalance := v.RebalanceTimeoutMillis
	if rebalance < 0 {
		rebalance = v.SessionTimeoutMillis
	}
	mb := &member{
		id:               v.MemberID,
		instance:         v.InstanceID,
		client:           Client{v.ClientID, v.ClientHost},
		sessionTimeout:   millis(v.SessionTimeoutMillis),
		rebalanceTimeout: millis(rebalance),
		assignment:       v.Assignment,
	}
	if name != nil {
		mb.protocols = []protocol{{*name, v.Subscription}}
	}
	return mb
}

// millis turns a request's milliseconds into a duration; below zero is zero.
func millis(ms int32) time.Duration { return time.Duration(max(ms, 0)) * time.Millisecond }

// record is the group's present generation as a record, with the assignments
// that assignment gives.
func (g *group) record(assignment func(*member) []byte) GroupRecord {
	v := &kmsg.GroupMetadataValue{
		Version:               groupValueVersion,
		ProtocolType:          g.protocolType,
		Generation:            g.generation,
		Protocol:              g.protocol,
		CurrentStateTimestamp: g.since,
	}
	if g.leader != "" {
		leader := g.leader
		v.Leader = &leader
	}
	for _, mb := range g.order {
		v.Members = append(v.Members, kmsg.GroupMetadataValueMember{
			MemberID:               mb.id,
			InstanceID:             mb.instance,
			ClientID:               mb.client.ID,
			ClientHost:             mb.client.Host,
			RebalanceTimeoutMillis: int32(mb.rebalanceTimeout.Milliseconds()),
			SessionTimeoutMillis:   int32(mb.sessionTimeout.Milliseconds()),
			Subscription:           mb.metadata(g.protocol),
			Assignment:             assignment(mb),
		})
	}
	return GroupRecord{Group: g.id, Meta: v}
}
