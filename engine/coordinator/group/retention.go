package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// expireOffsets deletes the offsets that nobody has needed for OffsetsRetention
// (KIP-211), and the groups without members that have no offsets left.
func (m *Machine) expireOffsets(now time.Time) {
	for _, id := range m.sortedGroups() {
		g := m.groups[id]
		expired := g.expired(now, m.cfg.OffsetsRetention)
		whole := g.state == Empty && len(g.pending) == 0 && len(expired) == len(g.offsets)
		if len(expired) == 0 && !whole {
			continue
		}
		m.deleteOffsets(g, expired, whole, func(code int16) {
			if code != 0 {
				m.cfg.Logger.Warn("cannot delete expired offsets", "group", id, "offsets", len(expired), "error", kerr.ErrorForCode(code))
			}
		})
	}
	m.timers.schedule(&m.sweeper, now.Add(m.cfg.OffsetsRetentionCheck))
}

// sortedGroups lists the groups in an order that does not depend on chance.
func (m *Machine) sortedGroups() []string {
	ids := make([]string, 0, len(m.groups))
	for id := range m.groups {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// expired lists the offsets past their retention. It counts from the moment
// that the group lost its members; for a group that assigns itself, and for
// topics that a stable consumer group no longer subscribes to, from the commit.
// While a group rebalances, nothing expires.
func (g *group) expired(now time.Time, retention time.Duration) []topicPartition {
	sinceEmpty := int64(-1)
	switch {
	case g.protocolType == "":
	case g.state == Empty:
		sinceEmpty = g.since
	case g.state == Stable && g.protocolType == consumerProtocol && g.topicsKnown:
	default:
		return nil
	}
	var out []topicPartition
	for tp, o := range g.offsets {
		if g.subscribedTo(tp.topic) {
			continue
		}
		from := o.CommitTime
		if sinceEmpty >= 0 {
			from = sinceEmpty
		}
		end := from + retention.Milliseconds()
		if o.ExpireTime >= 0 {
			end = o.ExpireTime
		}
		if now.UnixMilli() >= end {
			out = append(out, tp)
		}
	}
	return out
}

// ForgetTopics deletes the offsets of topics of which gone says that they are
// no more. id is zero where the commit did not tell it.
func (m *Machine) ForgetTopics(gone func(topic string, id [16]byte) bool) {
	for _, id := range m.sortedGroups() {
		g := m.groups[id]
		var tps []topicPartition
		for tp, o := range g.offsets {
			if gone(tp.topic, o.TopicID) {
				tps = append(tps, tp)
			}
		}
		if len(tps) == 0 {
			continue
		}
		m.deleteOffsets(g, tps, false, func(code int16) {
			if code != 0 {
				m.cfg.Logger.Warn("cannot delete the offsets of deleted topics", "group", id, "offsets", len(tps), "error", kerr.ErrorForCode(code))
			}
		})
	}
}
