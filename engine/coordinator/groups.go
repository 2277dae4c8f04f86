package coordinator

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Log is the leader's log of one partition of __consumer_offsets.
type Log interface {
	// Append appends one record batch and returns the offset of its last
	// record. It takes the bytes over and may change them.
	Append(batch []byte) (last int64, err error)
	// Notify calls fn once: with nil when the high watermark has passed offset,
	// with an error when it never will. fn does not block; it may be called
	// before Notify returns.
	Notify(offset int64, fn func(error))
	// Read appends whole batches to dst, the first of them the one that holds
	// offset from, up to about maxBytes but at least one batch.
	Read(dst []byte, from int64, maxBytes int) ([]byte, error)
	// Start and End are the log's first offset and the one after its last.
	Start() int64
	End() int64
}

// Client is who sent a request.
type Client struct {
	ID       string // client.id
	Host     string // address without port, as Kafka writes it: "/127.0.0.1"
	Software string // name and version from ApiVersions, "" if never said
}

// Groups are the group coordinators of one broker. All methods may be called
// from any goroutine.
type Groups struct {
	cfg Config
}

// NewGroups returns coordinators that lead no partition yet; see Elected.
func NewGroups(cfg Config) *Groups { return &Groups{cfg: cfg.withDefaults()} }

// SetPartitions says how many partitions __consumer_offsets really has.
func (g *Groups) SetPartitions(n int32) {}

// Partitions returns how many partitions __consumer_offsets has, or will have
// when it is made.
func (g *Groups) Partitions() int32 { return g.cfg.Partitions }

// Elected makes this broker the coordinator of the groups of one partition of
// __consumer_offsets from leader epoch epoch on. It returns at once; the groups
// answer COORDINATOR_LOAD_IN_PROGRESS until the log is replayed. A call with
// an epoch that is not newer is ignored.
func (g *Groups) Elected(partition, epoch int32, log Log) {}

// Resigned ends what Elected began: waiting requests are answered with
// NOT_COORDINATOR, and the groups' state is forgotten.
func (g *Groups) Resigned(partition int32) {}

// TopicsDeleted removes the offsets committed for topics that are no more.
func (g *Groups) TopicsDeleted(names []string) {}

// Close resigns everything and waits until all goroutines have ended.
func (g *Groups) Close() {}

// JoinGroup serves key 11. It blocks until the group's members have joined or
// ctx ends.
func (g *Groups) JoinGroup(ctx context.Context, c Client, req *kmsg.JoinGroupRequest) *kmsg.JoinGroupResponse {
	resp := req.ResponseKind().(*kmsg.JoinGroupResponse)
	resp.ErrorCode = kerr.NotCoordinator.Code
	return resp
}

// SyncGroup serves key 14. It blocks until the leader has sent the assignment
// or ctx ends.
func (g *Groups) SyncGroup(ctx context.Context, req *kmsg.SyncGroupRequest) *kmsg.SyncGroupResponse {
	resp := req.ResponseKind().(*kmsg.SyncGroupResponse)
	resp.ErrorCode = kerr.NotCoordinator.Code
	return resp
}

// Heartbeat serves key 12.
func (g *Groups) Heartbeat(ctx context.Context, req *kmsg.HeartbeatRequest) *kmsg.HeartbeatResponse {
	resp := req.ResponseKind().(*kmsg.HeartbeatResponse)
	resp.ErrorCode = kerr.NotCoordinator.Code
	return resp
}

// LeaveGroup serves key 13.
func (g *Groups) LeaveGroup(ctx context.Context, req *kmsg.LeaveGroupRequest) *kmsg.LeaveGroupResponse {
	resp := req.ResponseKind().(*kmsg.LeaveGroupResponse)
	resp.ErrorCode = kerr.NotCoordinator.Code
	return resp
}

// OffsetCommit serves key 8 for topics that exist: the caller has taken out
// the others and has set each topic's name and, where it knows it, id.
func (g *Groups) OffsetCommit(ctx context.Context, req *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	return req.ResponseKind().(*kmsg.OffsetCommitResponse)
}

// OffsetFetch serves key 9: one group's offsets (up to version 7) or many
// groups' (from 8). Topics are looked up by name.
func (g *Groups) OffsetFetch(ctx context.Context, req *kmsg.OffsetFetchRequest) *kmsg.OffsetFetchResponse {
	return req.ResponseKind().(*kmsg.OffsetFetchResponse)
}

// OffsetDelete serves key 47 for topics that exist.
func (g *Groups) OffsetDelete(ctx context.Context, req *kmsg.OffsetDeleteRequest) *kmsg.OffsetDeleteResponse {
	return req.ResponseKind().(*kmsg.OffsetDeleteResponse)
}

// DescribeGroups serves key 15.
func (g *Groups) DescribeGroups(ctx context.Context, req *kmsg.DescribeGroupsRequest) *kmsg.DescribeGroupsResponse {
	return req.ResponseKind().(*kmsg.DescribeGroupsResponse)
}

// ListGroups serves key 16: the groups of all partitions that are led here.
func (g *Groups) ListGroups(ctx context.Context, req *kmsg.ListGroupsRequest) *kmsg.ListGroupsResponse {
	return req.ResponseKind().(*kmsg.ListGroupsResponse)
}

// DeleteGroups serves key 42.
func (g *Groups) DeleteGroups(ctx context.Context, req *kmsg.DeleteGroupsRequest) *kmsg.DeleteGroupsResponse {
	return req.ResponseKind().(*kmsg.DeleteGroupsResponse)
}
