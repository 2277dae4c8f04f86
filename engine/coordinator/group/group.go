package group

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/event"
)

// State is where a group is in its life.
type State uint8

// The states, with Kafka's names.
const (
	Empty               State = iota // no members; maybe offsets
	PreparingRebalance               // waiting for the members to join
	CompletingRebalance              // waiting for the leader's assignment
	Stable                           // everybody has an assignment
	Dead                             // forgotten
)

// String returns Kafka's name of the state.
func (s State) String() string {
	return [...]string{"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"}[s]
}

// consumerProtocol is the protocol type whose metadata and assignments the
// coordinator can read.
const consumerProtocol = "consumer"

// group is one group. meta and offsets are durable: Replay alone changes
// them. All else is what the members are doing now, and is made anew from the
// durable part when a coordinator is elected.
type group struct {
	id      string
	meta    *kmsg.GroupMetadataValue // the newest generation in the log, nil if none
	offsets map[topicPartition]Offset

	state, previous State
	since           int64 // ms of the Unix epoch when state began, -1 unknown
	generation      int32
	protocolType    string  // "" before the first member
	protocol        *string // chosen at the newest generation
	leader          string  // member id, "" if none

	order    []*member // as they joined
	members  map[string]*member
	static   map[string]string   // instance id to member id
	pending  map[string]*timer   // member ids given out but not used yet
	unsynced map[string]struct{} // members whose SyncGroup is missing
	support  map[string]int      // how many members can do a protocol
	awaiting int                 // members that wait for a JoinGroup answer
	grown    bool                // somebody joined during the initial delay

	// topics are what the members subscribe to; topicsKnown is false when no
	// generation is complete or the metadata could not be read.
	topics      map[string]struct{}
	topicsKnown bool
	// assigned is who has which partition, by the newest complete generation.
	assigned map[topicPartition]string

	join, sync timer
	// delayLeft is what may still be waited beyond the running initial delay.
	delay, delayLeft time.Duration
}

type topicPartition struct {
	topic     string
	partition int32
}

func (tp topicPartition) compare(o topicPartition) int {
	return cmp.Or(cmp.Compare(tp.topic, o.topic), cmp.Compare(tp.partition, o.partition))
}

func (g *group) key(tp topicPartition) event.GroupKey {
	return event.GroupKey{Group: g.id, Topic: tp.topic, Partition: tp.partition}
}

// member is one member of a group.
type member struct {
	id               string
	instance         *string // static members
	client           Client
	sessionTimeout   time.Duration
	rebalanceTimeout time.Duration
	protocols        []protocol
	assignment       []byte
	told             uint64 // fingerprint of the assignment that the events told last
	fresh            bool   // has not completed a join yet
	joining, syncing Token  // requests that wait, nil if none
	session          timer
}

type protocol struct {
	name     string
	metadata []byte
}

// protocolsOf copies a request's protocols, each name once.
func protocolsOf(from []kmsg.JoinGroupRequestProtocol) []protocol {
	out := make([]protocol, 0, len(from))
	seen := make(map[string]struct{}, len(from))
	for _, p := range from {
		if _, ok := seen[p.Name]; ok {
			continue
		}
		seen[p.Name] = struct{}{}
		out = append(out, protocol{p.Name, bytes.Clone(p.Metadata)})
	}
	return out
}

func (mb *member) can(protocols []protocol) bool {
	return slices.EqualFunc(mb.protocols, protocols, func(a, b protocol) bool {
		return a.name == b.name && bytes.Equal(a.metadata, b.metadata)
	})
}

// metadata returns what the member said for a protocol.
func (mb *member) metadata(name *string) []byte {
	if name != nil {
		for _, p := range mb.protocols {
			if p.name == *name {
				return p.metadata
			}
		}
	}
	return nil
}

// add takes a member into the group.
func (g *group) add(mb *member, protocolType string) {
	if len(g.members) == 0 {
		g.protocolType = protocolType
	}
	if mb.instance != nil {
		g.static[*mb.instance] = mb.id
	}
	if g.leader == "" {
		g.leader = mb.id
	}
	g.members[mb.id] = mb
	g.order = append(g.order, mb)
	g.count(mb, 1)
	if mb.joining != nil {
		g.awaiting++
	}
}

// count adds n for each protocol of the member.
func (g *group) count(mb *member, n int) {
	for _, p := range mb.protocols {
		if g.support[p.name] += n; g.support[p.name] == 0 {
			delete(g.support, p.name)
		}
	}
}

// remove takes a member out; if it led, the oldest member leads now.
func (g *group) remove(mb *member) {
	delete(g.members, mb.id)
	g.order = slices.DeleteFunc(g.order, func(o *member) bool { return o == mb })
	g.count(mb, -1)
	if mb.joining != nil {
		g.awaiting--
	}
	if mb.instance != nil && g.static[*mb.instance] == mb.id {
		delete(g.static, *mb.instance)
	}
	delete(g.unsynced, mb.id)
	if g.leader == mb.id {
		g.leader = ""
		if len(g.order) > 0 {
			g.leader = g.order[0].id
		}
	}
}

// supports says whether a member with these protocols can be in the group:
// one of them must be known to all members.
func (g *group) supports(protocolType string, protocols []kmsg.JoinGroupRequestProtocol) bool {
	if g.state == Empty {
		return protocolType != "" && len(protocols) > 0
	}
	return g.protocolType == protocolType && slices.ContainsFunc(protocols, func(p kmsg.JoinGroupRequestProtocol) bool {
		return g.support[p.Name] == len(g.members)
	})
}

// selectProtocol lets each member vote for the first of its protocols that
// all members can do. Among equals the vote of the oldest member wins. The
// group must have members.
func (g *group) selectProtocol() string {
	votes := make(map[string]int)
	best := ""
	for _, mb := range g.order {
		for _, p := range mb.protocols {
			if g.support[p.name] == len(g.members) {
				votes[p.name]++
				break
			}
		}
	}
	for _, mb := range g.order {
		for _, p := range mb.protocols {
			if votes[p.name] > votes[best] {
				best = p.name
			}
		}
	}
	return best
}

func (g *group) allJoined() bool { return g.awaiting == len(g.members) && len(g.pending) == 0 }

// rebalanceTimeout is the longest of the members'.
func (g *group) rebalanceTimeout() time.Duration {
	var longest time.Duration
	for _, mb := range g.order {
		longest = max(longest, mb.rebalanceTimeout)
	}
	return longest
}

// electJoined makes sure that a member that has joined leads. It returns false
// if there is none.
func (g *group) electJoined() bool {
	if lead := g.members[g.leader]; lead != nil && lead.joining != nil {
		return true
	}
	for _, mb := range g.order {
		if mb.joining != nil {
			g.leader = mb.id
			return true
		}
	}
	return false
}

func (g *group) protocolTypeOrNil() *string {
	if g.protocolType == "" {
		return nil
	}
	name := g.protocolType // the answer outlives the group's state
	return &name
}

// subscribe works out which topics the members subscribe to.
func (g *group) subscribe() {
	g.topics, g.topicsKnown = nil, false
	if g.protocolType != consumerProtocol {
		return
	}
	if len(g.members) > 0 && g.protocol == nil {
		return
	}
	topics := make(map[string]struct{})
	for _, mb := range g.order {
		names, err := subscribedTopics(mb.metadata(g.protocol))
		if err != nil {
			return
		}
		for _, t := range names {
			topics[t] = struct{}{}
		}
	}
	g.topics, g.topicsKnown = topics, true
}

// subscribedTo says whether the members may be reading the topic: when their
// metadata cannot be read, a consumer group may be reading anything.
func (g *group) subscribedTo(topic string) bool {
	if !g.topicsKnown {
		return g.protocolType == consumerProtocol
	}
	_, ok := g.topics[topic]
	return ok
}
