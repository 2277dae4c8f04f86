package broker

import (
	"time"

	"github.com/logarium/logarium/engine/coordinator"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/replica"
)

// groupLog is a partition of __consumer_offsets as the coordinators use it.
type groupLog struct{ *replica.Partition }

// Append implements coordinator.Log.
func (l groupLog) Append(batch []byte) (last int64, err error) { return l.AppendBatch(batch) }

// electCoordinators makes the group coordinators follow the leaders of
// __consumer_offsets, and forget the offsets of topics that were deleted.
func (b *Broker) electCoordinators(img *metadata.Image, d *metadata.Delta) {
	if len(d.ConfigsChanged) > 0 || d.ControllerChanged { // as in the first delta of all
		b.groups.Configure(func(c *coordinator.Config) { groupSettings(c, img) })
	}
	forget, elect := false, false
	for _, t := range d.TopicsDeleted {
		if t.Name != coordinator.OffsetsTopic {
			forget = true
			continue
		}
		for p := range t.Partitions {
			b.groups.Resigned(int32(p))
		}
	}
	for _, t := range d.TopicsCreated {
		elect = elect || t.Name == coordinator.OffsetsTopic
	}
	for _, c := range d.PartitionsChanged {
		elect = elect || c.Topic.Name == coordinator.OffsetsTopic
	}
	if t := img.Topic(coordinator.OffsetsTopic); elect && t != nil {
		b.electGroups(t)
	}
	if forget || elect {
		b.groups.ForgetTopics(b.topicGone)
	}
}

// electGroups gives the coordinators the partitions that this broker leads. An
// election that they know of already changes nothing.
func (b *Broker) electGroups(t *metadata.Topic) {
	b.groups.SetPartitions(int32(len(t.Partitions)))
	for i, p := range t.Partitions {
		index := int32(i)
		if p.Leader != b.id {
			b.groups.Resigned(index)
			continue
		}
		log, err := b.replicas.Partition(t.Name, index)
		if err != nil {
			b.log.Error("cannot coordinate groups", "topic", t.Name, "partition", index, "err", err)
			b.groups.Resigned(index)
			continue
		}
		b.groups.Elected(index, p.LeaderEpoch, groupLog{log})
	}
}

// topicGone says whether a topic that offsets were committed for is no more,
// or another by the same name; id is zero if it is not known.
func (b *Broker) topicGone(name string, id [16]byte) bool {
	t := b.meta.Image().Topic(name)
	return t == nil || id != [16]byte{} && t.ID != id
}

// groupSettings takes over the settings that were given for all brokers.
func groupSettings(c *coordinator.Config, img *metadata.Image) {
	given := func(name string) bool {
		_, static := img.StaticConfig()[name]
		_, dynamic := img.ClusterConfig()[name]
		return static || dynamic
	}
	for _, s := range []struct {
		name string
		unit time.Duration
		to   *time.Duration
	}{
		{"group.min.session.timeout.ms", time.Millisecond, &c.MinSessionTimeout},
		{"group.max.session.timeout.ms", time.Millisecond, &c.MaxSessionTimeout},
		{"group.initial.rebalance.delay.ms", time.Millisecond, &c.InitialRebalanceDelay},
		{"offsets.retention.minutes", time.Minute, &c.OffsetsRetention},
		{"offsets.retention.check.interval.ms", time.Millisecond, &c.OffsetsRetentionCheck},
		{"offsets.commit.timeout.ms", time.Millisecond, &c.CommitTimeout},
	} {
		if given(s.name) {
			*s.to = time.Duration(img.BrokerInt(s.name)) * s.unit
		}
	}
	if given("group.max.size") {
		c.MaxGroupSize = int(img.BrokerInt("group.max.size"))
	}
	if given("offset.metadata.max.bytes") {
		c.OffsetMetadataMax = int(img.BrokerInt("offset.metadata.max.bytes"))
	}
}
