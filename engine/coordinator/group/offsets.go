package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/event"
)

// Versions of OffsetCommit from which something is different.
const (
	commitLastWithRetention = 4 // the last one that has a retention of its own
	commitKnowsGroupErrors  = 9 // KIP-848: GROUP_ID_NOT_FOUND
)

// OffsetCommit writes offsets down (key 8), for a member of the present
// generation, or for anybody while the group has no members. Errors stand with
// each partition: INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, ILLEGAL_GENERATION,
// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, REBALANCE_IN_PROGRESS,
// OFFSET_METADATA_TOO_LARGE. The topics must exist.
func (m *Machine) OffsetCommit(now time.Time, to Token, req *kmsg.OffsetCommitRequest) {
	g := m.groups[req.Group]
	if err := m.mayCommit(now, g, req); err != nil {
		m.answer(to, commitAnswer(req, func(int, int) int16 { return err.Code }))
		return
	}
	expire := int64(-1)
	if req.Version <= commitLastWithRetention && req.RetentionTimeMillis >= 0 {
		expire = now.UnixMilli() + req.RetentionTimeMillis
	}
	var records []Record
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			if m.metadataTooLarge(p.Metadata) {
				continue
			}
			o := &Offset{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, CommitTime: now.UnixMilli(), ExpireTime: expire, TopicID: t.TopicID}
			if p.Metadata != nil {
				o.Metadata = *p.Metadata
			}
			records = append(records, OffsetRecord{req.Group, t.Topic, p.Partition, o})
		}
	}
	reset := m.resets(g, req)
	finish := func(code int16) {
		m.answer(to, commitAnswer(req, func(t, p int) int16 {
			if m.metadataTooLarge(req.Topics[t].Partitions[p].Metadata) {
				return kerr.OffsetMetadataTooLarge.Code
			}
			return code
		}))
		if code != 0 {
			return
		}
		for _, r := range records {
			o := r.(OffsetRecord)
			key := event.GroupKey{Group: o.Group, Topic: o.Topic, Partition: o.Partition}
			m.gauge(GaugeChange{Key: key, Set: Committed, Offset: o.Offset.Offset})
		}
		for _, topic := range reset {
			m.emit(event.State{Kind: event.OffsetsReset, Group: req.Group, Topic: topic})
		}
	}
	if len(records) == 0 {
		finish(0)
		return
	}
	m.write(records, finish)
}

func (m *Machine) metadataTooLarge(metadata *string) bool {
	return metadata != nil && len(*metadata) > m.cfg.OffsetMetadataMax
}

// mayCommit says whether the sender may commit, and takes the commit of a
// member for a heartbeat. g may be nil.
func (m *Machine) mayCommit(now time.Time, g *group, req *kmsg.OffsetCommitRequest) *kerr.Error {
	switch {
	case len(req.Group) > longestString:
		return kerr.InvalidGroupID
	case g == nil && req.Generation < 0:
		return nil // a consumer that keeps its offsets here and assigns itself
	case g == nil && req.Version >= commitKnowsGroupErrors:
		return kerr.GroupIDNotFound
	case g == nil:
		return kerr.IllegalGeneration
	case req.Generation < 0 && g.state == Empty:
		return nil
	case req.Generation < 0 && req.MemberID == "" && req.InstanceID == nil:
		return kerr.UnknownMemberID
	}
	mb, err := g.lookup(req.MemberID, req.InstanceID)
	switch {
	case err != nil:
		return err
	case req.Generation != g.generation:
		return kerr.IllegalGeneration
	case g.state == CompletingRebalance:
		// It knows the new generation but not its part of it.
		return kerr.RebalanceInProgress
	}
	m.timers.schedule(&mb.session, now.Add(mb.sessionTimeout))
	return nil
}

// resets lists the topics for which somebody who is not a member moves the
// offsets of a group that has had members.
func (m *Machine) resets(g *group, req *kmsg.OffsetCommitRequest) []string {
	if g == nil || req.Generation >= 0 || g.protocolType == "" {
		return nil
	}
	var topics []string
	for _, t := range req.Topics {
		if slices.ContainsFunc(t.Partitions, func(p kmsg.OffsetCommitRequestTopicPartition) bool {
			o, ok := g.offsets[topicPartition{t.Topic, p.Partition}]
			return ok && o.Offset != p.Offset
		}) {
			topics = append(topics, t.Topic)
		}
	}
	return topics
}

// commitAnswer answers each partition with what code says of it, by indexes.
func commitAnswer(req *kmsg.OffsetCommitRequest, code func(topic, partition int) int16) *kmsg.OffsetCommitResponse {
	resp := kmsg.NewPtrOffsetCommitResponse()
	for i, t := range req.Topics {
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for j, p := range t.Partitions {
			one := kmsg.NewOffsetCommitResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, code(i, j)
			topic.Partitions = append(topic.Partitions, one)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// OffsetFetch reads the committed offsets of groups (key 9, in the shape of
// version 8 and up). Nil topics are all that the group has offsets for; what
// was never committed is -1. An offset of a topic that was since deleted and
// made again is not given out: the ids differ.
func (m *Machine) OffsetFetch(to Token, groups []kmsg.OffsetFetchRequestGroup) {
	resp := kmsg.NewPtrOffsetFetchResponse()
	for _, want := range groups {
		out := kmsg.NewOffsetFetchResponseGroup()
		out.Group = want.Group
		g := m.groups[want.Group]
		topics := want.Topics
		if topics == nil && g != nil {
			topics = g.committedTopics()
		}
		for _, t := range topics {
			topic := kmsg.NewOffsetFetchResponseGroupTopic()
			topic.Topic, topic.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				topic.Partitions = append(topic.Partitions, g.fetch(t.Topic, t.TopicID, p))
			}
			out.Topics = append(out.Topics, topic)
		}
		resp.Groups = append(resp.Groups, out)
	}
	m.answer(to, resp)
}

// fetch reads one committed offset; g may be nil.
func (g *group) fetch(topic string, id [16]byte, partition int32) kmsg.OffsetFetchResponseGroupTopicPartition {
	out := kmsg.NewOffsetFetchResponseGroupTopicPartition()
	out.Partition, out.Offset, out.Metadata = partition, -1, new(string)
	if g == nil {
		return out
	}
	o, ok := g.offsets[topicPartition{topic, partition}]
	if !ok || o.TopicID != id && o.TopicID != [16]byte{} && id != [16]byte{} {
		return out
	}
	out.Offset, out.LeaderEpoch, out.Metadata = o.Offset, o.LeaderEpoch, &o.Metadata
	return out
}

// committedTopics lists what the group has offsets for, in order.
func (g *group) committedTopics() []kmsg.OffsetFetchRequestGroupTopic {
	tps := make([]topicPartition, 0, len(g.offsets))
	for tp := range g.offsets {
		tps = append(tps, tp)
	}
	slices.SortFunc(tps, topicPartition.compare)
	var out []kmsg.OffsetFetchRequestGroupTopic
	for _, tp := range tps {
		if n := len(out); n == 0 || out[n-1].Topic != tp.topic {
			out = append(out, kmsg.OffsetFetchRequestGroupTopic{Topic: tp.topic})
		}
		last := &out[len(out)-1]
		last.Partitions = append(last.Partitions, tp.partition)
	}
	return out
}

// OffsetDelete deletes offsets of topics that the group does not subscribe to
// (key 47). Errors: INVALID_GROUP_ID, GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP for
// a group with members whose subscriptions nobody can read; for a partition
// GROUP_SUBSCRIBED_TO_TOPIC. The topics must exist.
func (m *Machine) OffsetDelete(to Token, req *kmsg.OffsetDeleteRequest) {
	resp := kmsg.NewPtrOffsetDeleteResponse()
	g := m.groups[req.Group]
	switch {
	case req.Group == "":
		resp.ErrorCode = kerr.InvalidGroupID.Code
	case g == nil:
		resp.ErrorCode = kerr.GroupIDNotFound.Code
	case g.state != Empty && g.protocolType != consumerProtocol:
		resp.ErrorCode = kerr.NonEmptyGroup.Code
	}
	if resp.ErrorCode != 0 {
		m.answer(to, resp)
		return
	}
	var gone []topicPartition
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetDeleteResponseTopic()
		topic.Topic = t.Topic
		for _, p := range t.Partitions {
			one := kmsg.NewOffsetDeleteResponseTopicPartition()
			one.Partition = p.Partition
			tp := topicPartition{t.Topic, p.Partition}
			if g.subscribedTo(t.Topic) {
				one.ErrorCode = kerr.GroupSubscribedToTopic.Code
			} else if _, ok := g.offsets[tp]; ok {
				gone = append(gone, tp)
			}
			topic.Partitions = append(topic.Partitions, one)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	m.deleteOffsets(g, gone, false, func(code int16) {
		resp.ErrorCode = code
		if code != 0 {
			resp.Topics = nil
		}
		m.answer(to, resp)
	})
}

// deleteOffsets writes tombstones for offsets of a group, and for the group
// itself if whole is set. then may be nil.
func (m *Machine) deleteOffsets(g *group, tps []topicPartition, whole bool, then func(code int16)) {
	slices.SortFunc(tps, topicPartition.compare)
	records := make([]Record, 0, len(tps)+1)
	for _, tp := range tps {
		records = append(records, OffsetRecord{Group: g.id, Topic: tp.topic, Partition: tp.partition})
	}
	if whole && g.meta != nil {
		records = append(records, GroupRecord{Group: g.id})
	}
	finish := func(code int16) {
		if then != nil {
			then(code)
		}
		if code != 0 {
			return
		}
		for _, tp := range tps {
			if _, ok := g.assigned[tp]; ok {
				m.gauge(GaugeChange{Key: g.key(tp), Set: Loaded, Offset: -1})
			} else {
				m.gauge(GaugeChange{Key: g.key(tp), Set: Forgotten})
			}
		}
		m.dropIfUnused(g)
	}
	if len(records) == 0 {
		finish(0)
		return
	}
	m.write(records, finish)
}
