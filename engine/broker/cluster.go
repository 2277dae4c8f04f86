package broker

import (
	"slices"

	"github.com/logarium/logarium/engine/metadata"
)

// leaderOf returns the leader of a partition and its epoch as the metadata has
// them, -1 and -1 if it has none. The topic goes by its id, or by its name where
// the id is zero.
func (b *Broker) leaderOf(id metadata.UUID, name string, index int32) (leader, epoch int32) {
	img := b.meta.Image()
	t := img.TopicByID(id)
	if id.IsZero() {
		t = img.Topic(name)
	}
	if t == nil || index < 0 || int(index) >= len(t.Partitions) {
		return -1, -1
	}
	p := t.Partitions[index]
	return p.Leader, p.LeaderEpoch
}

// controllerID is the broker that clients are told to be the active controller:
// -1 while none is elected. Requests for it may go to any broker.
func (b *Broker) controllerID() int32 { return b.meta.Leader() }

// node is a broker as the clients of one listener see it.
type node struct {
	id   int32
	host string
	port int32
	rack *string
}

// nodes returns the brokers that are up, by id, with the addresses of the
// listener that the client came by.
func (b *Broker) nodes(r *request) []node {
	var out []node
	for _, m := range b.meta.Image().Brokers() {
		if m.Fenced {
			continue
		}
		l, ok := m.Listener(r.conn.listener)
		if !ok {
			continue
		}
		n := node{id: m.ID, host: l.Host, port: l.Port}
		if m.Rack != "" {
			n.rack = &m.Rack
		}
		out = append(out, n)
	}
	return out
}

// endpoints returns those of nodes whose ids are wanted.
func (b *Broker) endpoints(r *request, wanted map[int32]bool) []node {
	all := b.nodes(r)
	return slices.DeleteFunc(all, func(n node) bool { return !wanted[n.id] })
}

// notAsked is what the authorized operations are where the client did not ask.
const notAsked int32 = -1 << 31

// The operations that can be authorized, as bits by their code in the ACL
// protocol. Without authorization everything is allowed.
const (
	topicOperations   int32 = 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<11 // read, write, create, delete, alter, describe, describe and alter configs
	groupOperations   int32 = 1<<3 | 1<<6 | 1<<8 | 1<<10 | 1<<11                      // read, delete, describe, describe and alter configs
	clusterOperations int32 = 1<<5 | 1<<7 | 1<<8 | 1<<9 | 1<<10 | 1<<11 | 1<<12       // create, alter, describe, cluster action, describe and alter configs, idempotent write
)
