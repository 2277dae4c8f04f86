package controller

import (
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

func (c *Controller) emitPartitions(before *metadata.Image, d *metadata.Delta) {
	grown := ""
	for _, p := range d.PartitionsChanged {
		switch {
		case p.Old == nil && p.Topic.Name != grown:
			grown = p.Topic.Name
			c.cfg.Hub.Emit(event.State{Kind: event.PartitionsAdded, Broker: -1, Partition: -1, Topic: grown,
				A: int64(len(before.TopicByID(p.Topic.ID).Partitions)), B: int64(len(p.Topic.Partitions))})
		case p.Old != nil && p.Elected():
			c.cfg.Hub.Emit(event.State{Kind: event.LeaderElected, Broker: p.New.Leader, Partition: p.Partition,
				Topic: p.Topic.Name, Epoch: p.New.LeaderEpoch})
		}
	}
}

func replicationFactor(t *metadata.Topic) int {
	if len(t.Partitions) == 0 {
		return 0
	}
	return len(t.Partitions[0].Replicas)
}
