package controller

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
)

// emit tells what a delta changed. Only the leader in whose term it was
// decided calls it, so that each change is told once.
func (c *Controller) emit(before, after *metadata.Image, d *metadata.Delta) {
	emit := c.cfg.Hub.Emit
	if d.ControllerChanged {
		emit(event.State{Kind: event.ControllerElected, Broker: after.Controller(), Partition: -1, Epoch: after.ControllerEpoch()})
	}
	for _, b := range d.BrokersChanged {
		c.emitBroker(b)
	}
	for _, t := range d.TopicsDeleted {
		emit(event.State{Kind: event.TopicDeleted, Broker: -1, Partition: -1, Topic: t.Name})
	}
	for _, t := range d.TopicsCreated {
		emit(event.State{Kind: event.TopicCreated, Broker: -1, Partition: -1, Topic: t.Name,
			A: int64(len(t.Partitions)), B: int64(replicationFactor(t))})
	}
	c.emitPartitions(before, d)
	for _, ch := range d.ConfigsChanged {
		s := event.State{Kind: event.ConfigChanged, Broker: -1, Partition: -1, Text: strings.Join(ch.Names, ", ")}
		switch ch.Resource.Type {
		case metadata.ResourceTopic:
			s.Topic = ch.Resource.Name
		case metadata.ResourceBroker:
			if id, err := strconv.ParseInt(ch.Resource.Name, 10, 32); err == nil {
				s.Broker = int32(id)
			}
		}
		emit(s)
	}
}

// emitBroker tells what became of a broker.
func (c *Controller) emitBroker(ch metadata.BrokerChange) {
	tell := func(kind event.Kind, of *metadata.Broker, text string) {
		c.cfg.Hub.Emit(event.State{Kind: kind, Broker: of.ID, Partition: -1, Epoch: -1, A: of.Epoch, Text: text})
	}
	was, now := ch.Old, ch.New
	if now == nil {
		if !was.Fenced {
			tell(event.BrokerFenced, was, "unregistered")
		}
		return
	}
	if was == nil || was.Incarnation != now.Incarnation {
		tell(event.BrokerRegistered, now, "")
	}
	switch {
	case now.Fenced && was != nil && !was.Fenced:
		tell(event.BrokerFenced, now, ch.Cause.String())
	case !now.Fenced && (was == nil || was.Fenced):
		tell(event.BrokerUnfenced, now, "")
	}
	if now.Draining && (was == nil || !was.Draining) {
		tell(event.BrokerDraining, now, "")
	}
}

func (c *Controller) emitPartitions(before *metadata.Image, d *metadata.Delta) {
	grown := ""
	for _, p := range d.PartitionsChanged {
		if p.Old != nil {
			c.emitPartition(p)
			continue
		}
		if p.Topic.Name != grown {
			grown = p.Topic.Name
			c.cfg.Hub.Emit(event.State{Kind: event.PartitionsAdded, Broker: -1, Partition: -1, Topic: grown,
				A: int64(len(before.TopicByID(p.Topic.ID).Partitions)), B: int64(len(p.Topic.Partitions))})
		}
	}
}

// emitPartition tells what became of a partition. New leader epochs of leaders
// that stay, which every start brings, are not told.
func (c *Controller) emitPartition(p metadata.PartitionChange) {
	tell := func(kind event.Kind, broker int32, size int, text string) {
		c.cfg.Hub.Emit(event.State{Kind: kind, Broker: broker, Partition: p.Partition, Topic: p.Topic.Name,
			Epoch: p.New.LeaderEpoch, A: int64(size), Text: text})
	}
	if !slices.Equal(p.Old.Replicas, p.New.Replicas) {
		tell(event.ReplicasChanged, -1, 0, fmt.Sprintf("%v -> %v", p.Old.Replicas, p.New.Replicas))
	}
	for _, id := range without(p.Old.ISR, p.New.ISR) {
		tell(event.IsrShrunk, id, len(p.New.ISR), because(p.Cause, id, "fell behind"))
	}
	for _, id := range without(p.New.ISR, p.Old.ISR) {
		tell(event.IsrExpanded, id, len(p.New.ISR), because(p.Cause, id, "caught up"))
	}
	if p.Old.Leader == p.New.Leader {
		return
	}
	tell(event.LeaderElected, p.New.Leader, 0, because(p.Cause, p.Old.Leader, ""))
	if p.Cause == metadata.CauseUnclean || p.Cause == metadata.CauseLastKnown {
		c.cfg.Logger.Warn("elected a leader that may lack acknowledged records", "topic", p.Topic.Name, "partition", p.Partition,
			"leader", p.New.Leader, "epoch", p.New.LeaderEpoch, "cause", p.Cause.String())
	}
}

// because says why a replica came, went or lost its leadership; moved is what
// is said of one whose leader saw it move.
func because(cause metadata.Cause, id int32, moved string) string {
	switch cause {
	case metadata.CauseFenced:
		return fmt.Sprintf("broker %d was fenced", id)
	case metadata.CauseShutdown:
		return fmt.Sprintf("broker %d shuts down", id)
	case metadata.CauseInSync:
		return moved
	}
	return cause.String()
}

func replicationFactor(t *metadata.Topic) int {
	if len(t.Partitions) == 0 {
		return 0
	}
	return len(t.Partitions[0].Replicas)
}
