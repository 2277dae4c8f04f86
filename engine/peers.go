package engine

import (
	"context"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/replica"
)

// node returns a node by its broker's id, nil if there is none.
func (e *Engine) node(id int32) *node {
	if id < 1 || int(id) > len(e.nodes) {
		return nil
	}
	return e.nodes[id-1]
}

// controllerPeers is how the controller of one node reaches the others.
type controllerPeers struct {
	engine *Engine
	from   int32
}

// Send implements controller.Peers.
func (p controllerPeers) Send(to int32, message []byte) {
	n := p.engine.node(to)
	if n == nil {
		return
	}
	p.engine.links.Post(p.from, to, func() {
		if c := n.controller.Load(); c != nil {
			_ = c.Receive(message) // raft sends again what is lost
		}
	})
}

// Ask implements controller.Peers.
func (p controllerPeers) Ask(ctx context.Context, to int32, fn func(*controller.Controller) error) error {
	n := p.engine.node(to)
	if n == nil {
		return netx.ErrDown
	}
	if err := p.engine.links.Trip(ctx, p.from, to); err != nil {
		return err
	}
	c := n.controller.Load()
	if c == nil {
		return netx.ErrDown
	}
	err := fn(c)
	if lost := p.engine.links.Trip(ctx, to, p.from); lost != nil {
		return lost
	}
	return err
}

// replicaPeers is how the replicas of one node reach those of the others.
type replicaPeers struct {
	engine *Engine
	from   int32
}

// Fetch implements replica.Peers.
func (p replicaPeers) Fetch(ctx context.Context, leader int32, req *replica.FetchRequest) (*replica.FetchResponse, error) {
	n := p.engine.node(leader)
	if n == nil {
		return nil, netx.ErrDown
	}
	if err := p.engine.links.Trip(ctx, p.from, leader); err != nil {
		return nil, err
	}
	s := n.replicas.Load()
	if s == nil {
		return nil, netx.ErrDown
	}
	resp, err := s.ServeFetch(ctx, req)
	if lost := p.engine.links.Trip(ctx, leader, p.from); lost != nil {
		if resp != nil {
			resp.Release()
		}
		return nil, lost
	}
	return resp, err
}

// cluster is what the replicas of a node ask of the controller.
type cluster struct{ node *node }

// AlterPartitions implements replica.Cluster.
func (c cluster) AlterPartitions(ctx context.Context, epoch int64, proposals []replica.Proposal) ([]replica.Outcome, error) {
	meta := c.node.controller.Load()
	if meta == nil {
		return nil, netx.ErrDown
	}
	req := controller.AlterPartitions{Broker: c.node.id, Epoch: epoch, Partitions: make([]controller.AlterPartition, len(proposals))}
	for i, p := range proposals {
		req.Partitions[i] = controller.AlterPartition{
			Topic: p.Topic, Partition: p.Index, LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, ISR: p.ISR, ISREpochs: p.ISREpochs,
		}
	}
	results := meta.AlterPartitions(ctx, req)
	out := make([]replica.Outcome, len(results))
	for i, r := range results {
		out[i] = replica.Outcome{Partition: r.Partition, Err: r.Err}
	}
	return out, nil
}

// ReplicaFailed implements replica.Cluster.
func (c cluster) ReplicaFailed(ctx context.Context, parts []replica.PartitionID) error {
	meta := c.node.controller.Load()
	if meta == nil {
		return netx.ErrDown
	}
	failed := make([]metadata.TopicPartition, len(parts))
	for i, p := range parts {
		failed[i] = metadata.TopicPartition{Topic: p.Topic, Partition: p.Index}
	}
	return meta.ReplicaFailed(ctx, c.node.id, failed)
}
