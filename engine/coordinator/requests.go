package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The requests below are about one group. When ctx ends they return soon, with
// COORDINATOR_NOT_AVAILABLE. All may be answered with NOT_COORDINATOR and
// COORDINATOR_LOAD_IN_PROGRESS besides what the machine says.

// JoinGroup serves key 11. It blocks until the group's members have joined or
// ctx ends.
func (g *Groups) JoinGroup(ctx context.Context, c Client, req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	r, err := g.ask(ctx, req.Group, &call{client: c, req: req})
	if err == nil {
		return r.resp.(*kmsg.JoinGroupResponse)
	}
	resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
	resp.ErrorCode = err.Code
	return resp
}

// SyncGroup serves key 14. It blocks until the leader has sent the assignment
// or ctx ends.
func (g *Groups) SyncGroup(ctx context.Context, req *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	r, err := g.ask(ctx, req.Group, &call{req: req})
	if err == nil {
		return r.resp.(*kmsg.SyncGroupResponse)
	}
	resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
	resp.ErrorCode = err.Code
	return resp
}

// Heartbeat serves key 12. While the groups are loaded it says that all is
// well, as Kafka does: the session starts anew after that.
func (g *Groups) Heartbeat(ctx context.Context, req *kmsg.HeartbeatRequest) *kmsg.HeartbeatResponse {
	r, err := g.ask(ctx, req.Group, &call{req: req})
	if err == nil {
		return r.resp.(*kmsg.HeartbeatResponse)
	}
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	if err != kerr.CoordinatorLoadInProgress {
		resp.ErrorCode = err.Code
	}
	return resp
}

// LeaveGroup serves key 13.
func (g *Groups) LeaveGroup(ctx context.Context, req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	r, err := g.ask(ctx, req.Group, &call{req: req})
	if err == nil {
		return r.resp.(*kmsg.LeaveGroupResponse)
	}
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	resp.ErrorCode = err.Code
	return resp
}

// OffsetCommit serves key 8 for topics that exist: the caller has taken out
// the others and has set each topic's name and, where it knows it, id.
func (g *Groups) OffsetCommit(ctx context.Context, req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	r, err := g.ask(ctx, req.Group, &call{req: req})
	if err == nil {
		return r.resp.(*kmsg.OffsetCommitResponse)
	}
	resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, t := range req.Topics {
		topic := kmsg.NewOffsetCommitResponseTopic()
		topic.Topic, topic.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			one := kmsg.NewOffsetCommitResponseTopicPartition()
			one.Partition, one.ErrorCode = p.Partition, err.Code
			topic.Partitions = append(topic.Partitions, one)
		}
		resp.Topics = append(resp.Topics, topic)
	}
	return resp
}

// OffsetDelete serves key 47 for topics that exist.
func (g *Groups) OffsetDelete(ctx context.Context, req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	r, err := g.ask(ctx, req.Group, &call{req: req})
	if err == nil {
		return r.resp.(*kmsg.OffsetDeleteResponse)
	}
	resp := req.ResponseKind().(*kmsg.OffsetDeleteResponse)
	resp.ErrorCode = err.Code
	return resp
}
