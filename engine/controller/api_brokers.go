package controller

import (
	"context"
	"time"

	"github.com/logarium/logarium/engine/metadata"
)

// Registration is what a broker says of itself when it starts.
type Registration struct {
	// Broker has the id, incarnation, rack and listeners; the epoch and the
	// states are the controller's.
	Broker metadata.Broker
	// Clean says that the broker's last run here ended in order. Else it may
	// lack records that it had: it leaves every ISR and ELR that has another
	// member (KIP-966).
	Clean bool
}

// Heartbeat is what a broker says of itself from time to time.
type Heartbeat struct {
	Broker int32
	Epoch  int64 // from RegisterBroker
	Offset int64 // of the broker's own image
	// WantFence asks to be (or to stay) fenced, WantShutdown for a controlled
	// shutdown: leadership moves away, and ShutDown is answered when the broker
	// may end.
	WantFence, WantShutdown bool
}

// HeartbeatResult is what the active controller makes of a broker.
type HeartbeatResult struct {
	Fenced   bool
	CaughtUp bool // the broker's image has its own registration
	ShutDown bool // the broker leads nothing any more and may end
}

// AlterPartitions is what a leader asks of the controller.
type AlterPartitions struct {
	Broker     int32
	Epoch      int64 // broker epoch
	Partitions []AlterPartition
}

// AlterPartition proposes a new ISR for a partition as it was at
// PartitionEpoch.
type AlterPartition struct {
	Topic          metadata.UUID
	Partition      int32
	LeaderEpoch    int32
	PartitionEpoch int32
	ISR            []int32
	// ISREpochs has for each member of ISR the broker epoch that it fetched
	// with, −1 where the leader does not know it (KIP-903). Nil: none is known.
	ISREpochs []int64
}

// AlterPartitionResult is the partition as it is now, or why it was not
// changed: UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION, FENCED_LEADER_EPOCH,
// INVALID_UPDATE_VERSION, INELIGIBLE_REPLICA, INVALID_REQUEST,
// NEW_LEADER_ELECTED (the change completed a reassignment, and another broker
// leads), or STALE_BROKER_EPOCH for all.
type AlterPartitionResult struct {
	Partition metadata.Partition
	Err       error
}

// ElectionType says which leaders ElectLeaders looks for.
type ElectionType int8

// The types of elections, by their number in ElectLeaders.
const (
	Preferred ElectionType = 0 // the first of the replicas, where it is in sync
	Unclean   ElectionType = 1 // any live replica, where there is no leader
)

// TopicPartition names a partition as clients do.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// ElectResult answers for one partition: ELECTION_NOT_NEEDED,
// PREFERRED_LEADER_NOT_AVAILABLE, ELIGIBLE_LEADERS_NOT_AVAILABLE …
type ElectResult struct {
	TopicPartition
	Err error
}

// Reassignment asks that a partition have other replicas, or, with nil
// Replicas, that the one under way be given up.
type Reassignment struct {
	TopicPartition
	Replicas []int32
}

// ReassignResult answers for one partition: INVALID_REPLICA_ASSIGNMENT,
// NO_REASSIGNMENT_IN_PROGRESS, INVALID_REPLICATION_FACTOR …
type ReassignResult struct {
	TopicPartition
	Err error
}

// QuorumInfo is the state of the metadata quorum. Offsets count entries of the
// raft log.
type QuorumInfo struct {
	Leader        int32
	Epoch         int32
	HighWatermark int64
	Voters        []QuorumReplica
	Observers     []QuorumReplica
}

// QuorumReplica is a voter or observer as the leader sees it. The times are
// zero where it was never heard of; the leader's own are the present time.
type QuorumReplica struct {
	ID           int32
	LogEnd       int64
	LastFetch    time.Time
	LastCaughtUp time.Time
}

// RegisterBroker registers a broker, fenced, and returns its epoch. Heartbeats
// then unfence it. Registering the same incarnation again changes nothing but
// its listeners and rack.
func (c *Controller) RegisterBroker(ctx context.Context, r Registration) (epoch int64, err error) {
	res := callSoon(ctx, c, command[brokerResult](registerBroker(r)), func(err error) brokerResult { return brokerResult{err: err} })
	return res.epoch, res.err
}

// UnregisterBroker forgets a broker. Its replicas stay assigned to it.
func (c *Controller) UnregisterBroker(ctx context.Context, id int32) error {
	return call(ctx, c, command[error](unregisterBroker{id}), func(err error) error { return err })
}

// FenceBroker takes the leadership of all its partitions from a broker that
// stops or has failed.
func (c *Controller) FenceBroker(ctx context.Context, id int32) error {
	return call(ctx, c, command[brokerResult](fenceBroker{id, metadata.CauseRequest}), func(err error) brokerResult { return brokerResult{err: err} }).err
}

// AlterPartitions changes the ISR of partitions that a broker leads (KIP-497),
// each for itself. The results are in the order of the request.
func (c *Controller) AlterPartitions(ctx context.Context, r AlterPartitions) []AlterPartitionResult {
	return callSoon(ctx, c, command[[]AlterPartitionResult](alterPartitions(r)), func(err error) []AlterPartitionResult {
		out := make([]AlterPartitionResult, len(r.Partitions))
		for i := range out {
			out[i].Err = err
		}
		return out
	})
}

// ReplicaFailed says that the logs of these replicas of a broker cannot be
// used: they leave the ISR, and others lead. A replica that is the only one in
// sync stays what it is.
func (c *Controller) ReplicaFailed(ctx context.Context, broker int32, parts []metadata.TopicPartition) error {
	return callSoon(ctx, c, command[error](replicaFailed{broker, parts}), func(err error) error { return err })
}

// ElectLeaders elects leaders of partitions, of all if parts is nil; then the
// partitions that need no election are left out of the results.
func (c *Controller) ElectLeaders(ctx context.Context, kind ElectionType, parts []TopicPartition) ([]ElectResult, error) {
	r := call(ctx, c, command[electResults](electLeaders{kind, parts}), func(err error) electResults { return electResults{err: err} })
	return r.results, r.err
}

// AlterReassignments moves partitions to other replicas, each for itself.
// Without changeFactor a move must keep the number of replicas. The results are
// in the order of the request; the image tells how far a reassignment is.
func (c *Controller) AlterReassignments(ctx context.Context, moves []Reassignment, changeFactor bool) []ReassignResult {
	return call(ctx, c, command[[]ReassignResult](alterReassignments{moves, changeFactor}), func(err error) []ReassignResult {
		out := make([]ReassignResult, len(moves))
		for i, m := range moves {
			out[i] = ReassignResult{m.TopicPartition, err}
		}
		return out
	})
}
