package coordinator

import "github.com/logarium/logarium/engine/coordinator/group"

// setGauge keeps the hub's picture of a group's partition.
func (c *Config) setGauge(g group.GaugeChange) {
	if g.Set == group.Forgotten {
		c.Hub.DropGroup(g.Key)
		return
	}
	gauge := c.Hub.Group(g.Key)
	switch g.Set {
	case group.Committed:
		gauge.Committed.Store(g.Offset)
		gauge.Commits.Add(1)
	case group.Loaded:
		gauge.Committed.Store(g.Offset)
	case group.Assigned:
		gauge.Member.Store(&g.Member)
		gauge.ClientID.Store(&g.ClientID)
	case group.Unassigned:
		gauge.Member.Store(nil)
		gauge.ClientID.Store(nil)
	}
}
