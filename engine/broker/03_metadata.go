package broker

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/metadata"
)

// handleMetadata tells brokers, topics and leaders, with the addresses of the
// listener that the client came by. A topic that is not there is made if the
// client and auto.create.topics.enable allow it, and is then answered like any
// other: its logs are open before the controller answers, so that a client
// need not ask twice.
//
//	v0  no topics means all; from v1 on null does, and none means none
//	v4  the client may forbid to make topics
//	v5  offline replicas
//	v7  leader epochs
//	v8  authorized operations
//	v10 topic ids; v12 asks by them
//	v13 an error for the whole request
func handleMetadata(b *Broker, r *request) reply {
	req := r.body.(*kmsg.MetadataRequest)
	img := b.meta.Image()
	if missing := b.toCreate(req, img); len(missing) > 0 {
		return park(func(ctx context.Context) kmsg.Response {
			refused := map[string]error{}
			for _, res := range b.meta.CreateTopics(ctx, missing, false) {
				if res.Err != nil && !errors.Is(res.Err, kerr.TopicAlreadyExists) {
					refused[res.Name] = res.Err
				}
			}
			b.settle(ctx)
			return b.metadata(r, req, b.meta.Image(), refused)
		})
	}
	return answer(b.metadata(r, req, img, nil))
}

// toCreate returns the topics that the request asks for, may make, and are not
// there.
func (b *Broker) toCreate(req *kmsg.MetadataRequest, img *metadata.Image) (out []controller.NewTopic) {
	if req.Version >= 4 && !req.AllowAutoTopicCreation || !img.BrokerBool("auto.create.topics.enable") {
		return nil
	}
	asked := map[string]bool{}
	for _, t := range req.Topics {
		if t.Topic == nil || asked[*t.Topic] || t.TopicID != [16]byte{} || img.Topic(*t.Topic) != nil || metadata.ValidateTopicName(*t.Topic) != nil {
			continue
		}
		asked[*t.Topic] = true
		if *t.Topic == metadata.ConsumerOffsetsTopic {
			out = append(out, offsetsTopic(img))
			continue
		}
		out = append(out, controller.NewTopic{Name: *t.Topic, Partitions: -1, ReplicationFactor: -1})
	}
	return out
}

// metadata builds the answer from one image. refused holds why topics could
// not be made.
func (b *Broker) metadata(r *request, req *kmsg.MetadataRequest, img *metadata.Image, refused map[string]error) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	up := map[int32]bool{}
	for _, n := range b.nodes(r) {
		up[n.id] = true
		m := kmsg.NewMetadataResponseBroker()
		m.NodeID, m.Host, m.Port, m.Rack = n.id, n.host, n.port, n.rack
		resp.Brokers = append(resp.Brokers, m)
	}
	resp.ClusterID = kmsg.StringPtr(img.ClusterID())
	resp.ControllerID = b.controllerID()
	if req.IncludeClusterAuthorizedOperations {
		resp.AuthorizedOperations = clusterOperations
	}
	operations := notAsked
	if req.IncludeTopicAuthorizedOperations {
		operations = topicOperations
	}
	if req.Topics == nil || req.Version == 0 && len(req.Topics) == 0 {
		all := img.Topics()
		resp.Topics = make([]kmsg.MetadataResponseTopic, 0, len(all))
		for _, t := range all {
			resp.Topics = append(resp.Topics, describeTopic(t, up, operations))
		}
		return resp
	}
	resp.Topics = make([]kmsg.MetadataResponseTopic, 0, len(req.Topics))
	for i := range req.Topics {
		t, err := find(img, &req.Topics[i], refused)
		if err == nil {
			resp.Topics = append(resp.Topics, describeTopic(t, up, operations))
			continue
		}
		m := kmsg.NewMetadataResponseTopic()
		m.Topic, m.TopicID = req.Topics[i].Topic, req.Topics[i].TopicID
		if m.Topic == nil && req.Version < 12 {
			m.Topic = new(string)
		}
		m.ErrorCode, _ = b.codeOf(err)
		m.IsInternal = m.Topic != nil && metadata.IsInternalTopic(*m.Topic)
		resp.Topics = append(resp.Topics, m)
	}
	return resp
}

// find returns a topic that a client asks for by id or name.
func find(img *metadata.Image, asked *kmsg.MetadataRequestTopic, refused map[string]error) (*metadata.Topic, error) {
	if asked.TopicID != [16]byte{} {
		if t := img.TopicByID(asked.TopicID); t != nil {
			return t, nil
		}
		return nil, kerr.UnknownTopicID
	}
	if asked.Topic == nil {
		return nil, kerr.UnknownTopicID
	}
	if t := img.Topic(*asked.Topic); t != nil {
		return t, nil
	}
	if err := metadata.ValidateTopicName(*asked.Topic); err != nil {
		return nil, err
	}
	if err := refused[*asked.Topic]; err != nil {
		return nil, err
	}
	return nil, kerr.UnknownTopicOrPartition
}

// describeTopic tells a topic's partitions. A partition without a leader that
// is up has LEADER_NOT_AVAILABLE.
func describeTopic(t *metadata.Topic, up map[int32]bool, operations int32) kmsg.MetadataResponseTopic {
	m := kmsg.NewMetadataResponseTopic()
	m.Topic, m.TopicID, m.IsInternal, m.AuthorizedOperations = &t.Name, t.ID, t.Internal, operations
	m.Partitions = make([]kmsg.MetadataResponseTopicPartition, 0, len(t.Partitions))
	for i := range t.Partitions {
		from := &t.Partitions[i]
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR = int32(i), from.Leader, from.LeaderEpoch, from.Replicas, from.ISR
		for _, id := range from.Replicas {
			if !up[id] {
				p.OfflineReplicas = append(p.OfflineReplicas, id)
			}
		}
		if !up[from.Leader] {
			p.Leader = metadata.NoLeader
			p.ErrorCode = kerr.LeaderNotAvailable.Code
		}
		m.Partitions = append(m.Partitions, p)
	}
	return m
}
