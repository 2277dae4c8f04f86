package kafka

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Quorum is the state of the metadata quorum: the controllers that agree on
// topics, leaders and settings (KIP-595).
type Quorum struct {
	Leader        int32 // the active controller; −1: none now
	Epoch         int32
	HighWatermark int64 // the metadata log is agreed on up to here
	Voters        []QuorumReplica
	Observers     []QuorumReplica // they follow the log and have no vote
}

// QuorumReplica is one copy of the metadata log.
type QuorumReplica struct {
	ID           int32
	LogEnd       int64 // −1: unknown
	Lag          int64 // records behind the active controller; −1: unknown
	LastCaughtUp time.Time
}

// Quorum asks for the state of the metadata quorum.
func (c *Cluster) Quorum(ctx context.Context) (Quorum, error) {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return Quorum{}, err
	}
	if why := caps.Why(FeatureQuorum); why != "" {
		return Quorum{}, &Error{Text: why}
	}
	ctx, cancel := context.WithTimeout(ctx, onePatience) // without a quorum nobody may answer
	defer cancel()
	resp, err := c.anyOf(ctx, func() kmsg.Request {
		req := kmsg.NewPtrDescribeQuorumRequest()
		rt := kmsg.NewDescribeQuorumRequestTopic()
		rt.Topic = "__cluster_metadata"
		rt.Partitions = append(rt.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
		req.Topics = append(req.Topics, rt)
		return req
	})
	if err != nil {
		return Quorum{}, err
	}
	quorum := resp.(*kmsg.DescribeQuorumResponse)
	if err := refused(quorum.ErrorCode, quorum.ErrorMessage); err != nil {
		return Quorum{}, err
	}
	if len(quorum.Topics) == 0 || len(quorum.Topics[0].Partitions) == 0 {
		return Quorum{}, &Error{Text: "the cluster answered nothing about its metadata quorum"}
	}
	p := quorum.Topics[0].Partitions[0] // the metadata log has one
	if err := refused(p.ErrorCode, p.ErrorMessage); err != nil {
		return Quorum{}, err
	}
	return quorumOf(p), nil
}

func quorumOf(p kmsg.DescribeQuorumResponseTopicPartition) Quorum {
	q := Quorum{Leader: p.LeaderID, Epoch: p.LeaderEpoch, HighWatermark: p.HighWatermark}
	end := p.HighWatermark
	for _, r := range slices.Concat(p.CurrentVoters, p.Observers) {
		if r.ReplicaID == p.LeaderID {
			end = max(end, r.LogEndOffset)
		}
	}
	replicas := func(list []kmsg.DescribeQuorumResponseTopicPartitionReplicaState) []QuorumReplica {
		var out []QuorumReplica
		for _, r := range list {
			one := QuorumReplica{ID: r.ReplicaID, LogEnd: r.LogEndOffset, Lag: -1}
			if r.LogEndOffset >= 0 {
				one.Lag = max(0, end-r.LogEndOffset)
			}
			if r.LastCaughtUpTimestamp >= 0 {
				one.LastCaughtUp = time.UnixMilli(r.LastCaughtUpTimestamp)
			}
			out = append(out, one)
		}
		slices.SortFunc(out, func(a, b QuorumReplica) int { return cmp.Compare(a.ID, b.ID) })
		return out
	}
	q.Voters, q.Observers = replicas(p.CurrentVoters), replicas(p.Observers)
	return q
}

// Controller returns the id of the active controller, −1 if it is not known. A
// KRaft cluster names any broker in its metadata, so its quorum is asked where
// it can be.
func (c *Cluster) Controller(ctx context.Context, m Metadata) int32 {
	if q, err := c.Quorum(ctx); err == nil {
		return q.Leader
	}
	return m.Controller
}
