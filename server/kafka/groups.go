package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupsAge is how old the picture of all groups may be.
const groupsAge = 200 * time.Millisecond

// Group is a consumer group.
type Group struct {
	ID           string
	State        string // Kafka's word, such as Stable; "" if it was not told
	Type         string // "classic", "consumer" (KIP-848) or "" if it was not told
	ProtocolType string // "consumer" for consumers, "connect" for Kafka Connect
	Protocol     string // the assignor
	Coordinator  int32  // the coordinating broker
	Members      []Member
	Partitions   []GroupPartition // sorted by topic and partition
	Err          error            // why parts of it are missing
}

// Member is a member of a group.
type Member struct {
	ID, InstanceID string
	ClientID, Host string
	Assigned       []TopicPartition
}

// GroupPartition is where a group stands in a partition.
type GroupPartition struct {
	TopicPartition
	Committed int64 // −1: nothing is committed
	Metadata  string
	Start     Offset
	End       Offset
	Member    *Member // to whom the partition is assigned, nil if to nobody
}

// Lag returns how many offsets are between the commit and the end.
func (p GroupPartition) Lag() Figure {
	switch {
	case p.Committed < 0 && p.End.Err == nil && p.Start.Err == nil && p.End.Offset == p.Start.Offset:
		return Figure{} // nothing to read, wherever it would begin
	case p.Committed < 0:
		return Figure{Why: "The group has committed no offset for this partition."}
	case p.End.Err != nil:
		return Figure{Why: p.End.Err.Error()}
	}
	return Figure{N: max(0, p.End.Offset-p.Committed)}
}

// Lag returns the sum over the partitions of a topic, "" for all topics. It is
// unknown if nothing is committed or an end is unknown.
func (g *Group) Lag(topic string) Figure {
	sum, known := Figure{}, false
	for _, p := range g.Partitions {
		if topic != "" && p.Topic != topic || p.Committed < 0 {
			continue
		}
		lag := p.Lag()
		if !lag.Known() {
			return lag
		}
		sum.N += lag.N
		known = true
	}
	if !known {
		return Figure{Why: "The group has committed no offset."}
	}
	return sum
}

// Uncommitted returns in how many partitions of a topic, "" for all topics, there
// are records and no commit, so that their lag is unknown.
func (g *Group) Uncommitted(topic string) int {
	n := 0
	for _, p := range g.Partitions {
		if (topic == "" || p.Topic == topic) && p.Committed < 0 && !p.Lag().Known() {
			n++
		}
	}
	return n
}

// Topics returns the names of the topics in which the group has a commit or an
// assignment.
func (g *Group) Topics() []string {
	var names []string
	for _, p := range g.Partitions {
		if len(names) == 0 || names[len(names)-1] != p.Topic {
			names = append(names, p.Topic)
		}
	}
	return names
}

// Groups returns all groups sorted by id, with their lag. The error beside a
// list tells that parts of the cluster did not answer.
func (c *Cluster) Groups(ctx context.Context) ([]*Group, error) {
	all, err := c.groups.get(ctx, groupsAge, func(ctx context.Context) (map[string]*Group, error) {
		listed, err := c.listGroups(ctx)
		if len(listed) == 0 {
			return listed, err
		}
		c.fillGroups(ctx, listed)
		return listed, err
	})
	out := make([]*Group, 0, len(all))
	for _, g := range all {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b *Group) int { return cmp.Compare(a.ID, b.ID) })
	return out, err
}

// TopicGroups returns the groups with a commit or an assignment in a topic.
func (c *Cluster) TopicGroups(ctx context.Context, topic string) ([]*Group, error) {
	all, err := c.Groups(ctx)
	return slices.DeleteFunc(all, func(g *Group) bool { return !slices.Contains(g.Topics(), topic) }), err
}

// Group returns one group. The error is ErrUnknown if there is no such group.
func (c *Cluster) Group(ctx context.Context, id string) (*Group, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	g := &Group{ID: id, Coordinator: -1}
	c.fillGroups(ctx, map[string]*Group{id: g})
	if g.Err != nil && len(g.Partitions) == 0 && len(g.Members) == 0 {
		return nil, g.Err
	}
	if (g.State == "" || g.State == "Dead") && len(g.Partitions) == 0 && len(g.Members) == 0 {
		return nil, fmt.Errorf("group %q: %w", id, ErrUnknown)
	}
	return g, nil
}

// listGroups asks every broker for the groups that it coordinates.
func (c *Cluster) listGroups(ctx context.Context) (map[string]*Group, error) {
	out := make(map[string]*Group)
	var failed error
	for _, shard := range c.client.RequestSharded(ctx, kmsg.NewPtrListGroupsRequest()) {
		resp, ok := shard.Resp.(*kmsg.ListGroupsResponse)
		if shard.Err != nil || !ok {
			failed = explain(shard.Err)
			continue
		}
		if err := refused(resp.ErrorCode, nil); err != nil {
			failed = err
			continue
		}
		for _, g := range resp.Groups {
			out[g.Group] = &Group{
				ID: g.Group, State: g.GroupState, Type: strings.ToLower(g.GroupType),
				ProtocolType: g.ProtocolType, Coordinator: shard.Meta.NodeID,
			}
		}
	}
	return out, failed
}

// fillGroups adds members, commits and ends to groups, in few requests however
// many groups there are.
func (c *Cluster) fillGroups(ctx context.Context, groups map[string]*Group) {
	c.describeGroups(ctx, groups)
	ids := sortedKeys(groups)
	for id, fetched := range c.admin.FetchManyOffsets(ctx, ids...) {
		g := groups[id]
		if g == nil {
			continue
		}
		if fetched.Err != nil {
			g.Err = explain(fetched.Err)
			continue
		}
		for _, o := range fetched.Fetched.Sorted() {
			if o.Err == nil && o.At >= 0 {
				g.partition(o.Topic, o.Partition).Committed = o.At
				g.partition(o.Topic, o.Partition).Metadata = o.Metadata
			}
		}
	}
	for _, g := range groups {
		g.assign()
	}
	c.fillEnds(ctx, groups)
}

// partition returns the group's row of a partition, made if there is none.
func (g *Group) partition(topic string, id int32) *GroupPartition {
	key := TopicPartition{topic, id}
	i, found := slices.BinarySearchFunc(g.Partitions, key, func(p GroupPartition, k TopicPartition) int {
		return cmp.Or(cmp.Compare(p.Topic, k.Topic), cmp.Compare(p.Partition, k.Partition))
	})
	if !found {
		g.Partitions = slices.Insert(g.Partitions, i, GroupPartition{TopicPartition: key, Committed: -1})
	}
	return &g.Partitions[i]
}

func (g *Group) assign() {
	for i := range g.Members {
		for _, p := range g.Members[i].Assigned {
			g.partition(p.Topic, p.Partition).Member = &g.Members[i]
		}
	}
}

// describeGroups asks for states and members, by the classic protocol first and
// by that of KIP-848 for those which the classic one does not know.
func (c *Cluster) describeGroups(ctx context.Context, groups map[string]*Group) {
	var classic, newer []string
	for id, g := range groups {
		switch g.Type {
		case "consumer":
			newer = append(newer, id)
		case "", "classic":
			classic = append(classic, id)
		}
	}
	if len(classic) > 0 {
		described, err := c.admin.DescribeGroups(ctx, classic...)
		for _, id := range classic {
			g := groups[id]
			d, ok := described[id]
			switch {
			case !ok:
				g.Err = explain(err)
			case d.Err != nil && g.Type == "" && errors.Is(explain(d.Err), ErrUnknown):
				newer = append(newer, id)
			case d.Err != nil:
				g.Err = explain(d.Err)
			default:
				g.fromClassic(d)
				if d.State == "Dead" && g.Type == "" {
					newer = append(newer, id)
				}
			}
		}
	}
	c.describeConsumerGroups(ctx, groups, newer)
}

func (c *Cluster) describeConsumerGroups(ctx context.Context, groups map[string]*Group, ids []string) {
	caps, err := c.Capabilities(ctx)
	if len(ids) == 0 || err != nil {
		return
	}
	if _, offered := caps.max[int16(kmsg.ConsumerGroupDescribe)]; !offered {
		return
	}
	described, err := c.admin.DescribeConsumerGroups(ctx, ids...)
	for _, id := range ids {
		g := groups[id]
		d, ok := described[id]
		switch {
		case ok && d.Err == nil:
			g.fromConsumer(d)
		case g.Type == "consumer" && ok:
			g.Err = explain(d.Err)
		case g.Type == "consumer":
			g.Err = explain(err)
		}
	}
}

func (g *Group) fromClassic(d kadm.DescribedGroup) {
	g.State, g.Protocol, g.ProtocolType, g.Coordinator = d.State, d.Protocol, d.ProtocolType, d.Coordinator.NodeID
	g.Members = make([]Member, 0, len(d.Members))
	for _, m := range d.Members {
		member := Member{ID: m.MemberID, ClientID: m.ClientID, Host: host(m.ClientHost)}
		if m.InstanceID != nil {
			member.InstanceID = *m.InstanceID
		}
		if a, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range a.Topics {
				for _, p := range t.Partitions {
					member.Assigned = append(member.Assigned, TopicPartition{t.Topic, p})
				}
			}
		}
		member.sort()
		g.Members = append(g.Members, member)
	}
}

func (g *Group) fromConsumer(d kadm.DescribedConsumerGroup) {
	g.Type, g.ProtocolType, g.Err = "consumer", "consumer", nil
	g.State, g.Protocol, g.Coordinator = d.State, d.AssignorName, d.Coordinator.NodeID
	g.Members = make([]Member, 0, len(d.Members))
	for _, m := range d.Members {
		member := Member{ID: m.MemberID, ClientID: m.ClientID, Host: host(m.ClientHost)}
		if m.InstanceID != nil {
			member.InstanceID = *m.InstanceID
		}
		for topic, parts := range m.Assignment {
			for p := range parts {
				member.Assigned = append(member.Assigned, TopicPartition{topic, p})
			}
		}
		member.sort()
		g.Members = append(g.Members, member)
	}
}

func (m *Member) sort() {
	slices.SortFunc(m.Assigned, func(a, b TopicPartition) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
}

// host drops the slash that Java's brokers put before an address.
func host(s string) string { return strings.TrimPrefix(s, "/") }

// fillEnds adds the starts and ends of every partition that a group knows, and
// rows for the partitions of its topics that nobody consumes.
func (c *Cluster) fillEnds(ctx context.Context, groups map[string]*Group) {
	names := make(map[string]struct{})
	for _, g := range groups {
		for _, t := range g.Topics() {
			names[t] = struct{}{}
		}
	}
	if len(names) == 0 {
		return
	}
	m, err := c.metadata(ctx, sortedKeys(names))
	if err != nil {
		m.Topics = nil
	}
	topics := make(map[string]Topic, len(m.Topics))
	for _, t := range m.Topics {
		topics[t.Name] = t
	}
	start, end := c.Ends(ctx, m.Topics...)
	for _, g := range groups {
		for _, name := range g.Topics() {
			for _, p := range topics[name].Partitions {
				g.partition(name, p.ID)
			}
		}
		for i := range g.Partitions {
			p := &g.Partitions[i]
			var ok bool
			if p.End, ok = end[p.TopicPartition]; !ok {
				p.End = Offset{Offset: -1, Err: &Error{Text: "The partition is not there."}}
			}
			if p.Start, ok = start[p.TopicPartition]; !ok {
				p.Start = p.End
			}
		}
	}
}
