package replica

import (
	"context"
	"time"

	"github.com/logarium/logarium/engine/metadata"
)

// Peers carries what this broker says to the others.
type Peers interface {
	// Fetch asks the leader's Set.ServeFetch and returns what it answers. It
	// returns soon once ctx has ended, and ServeFetch does not go on after it
	// has returned. A broker that is down is an error at once, a link that is
	// cut takes as long as it is cut.
	Fetch(ctx context.Context, leader int32, req *FetchRequest) (*FetchResponse, error)
}

// Cluster is what a Set asks of the controller.
type Cluster interface {
	// AlterPartitions proposes in-sync replicas of partitions that this broker
	// leads (KIP-497). epoch is this broker's epoch. The outcomes are in the
	// order of the proposals; an error is one of the whole request, which may or
	// may not have been done.
	AlterPartitions(ctx context.Context, epoch int64, proposals []Proposal) ([]Outcome, error)
	// ReplicaFailed says that the logs of this broker's replicas cannot be used:
	// they leave the ISR, and others lead.
	ReplicaFailed(ctx context.Context, parts []PartitionID) error
}

// PartitionID names a partition.
type PartitionID struct {
	Topic metadata.UUID
	Index int32
}

// Proposal is a new set of in-sync replicas for a partition as it was at
// PartitionEpoch.
type Proposal struct {
	PartitionID
	LeaderEpoch    int32
	PartitionEpoch int32
	ISR            []int32
	// ISREpochs are the broker epochs that the members fetched with, -1 where
	// that is not known (KIP-903).
	ISREpochs []int64
}

// Outcome is what became of a Proposal: the partition as it is now, or one of
// FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION, INELIGIBLE_REPLICA,
// UNKNOWN_TOPIC_ID …
type Outcome struct {
	Partition metadata.Partition
	Err       error
}

// FetchRequest is what the follower of some partitions asks of the broker that
// leads them all. Within a session it names only what is new since the last
// request that was answered (KIP-227).
type FetchRequest struct {
	Follower      int32
	FollowerEpoch int64  // the follower's broker epoch (KIP-903)
	Session       uint64 // as the leader named it; 0 begins a new one
	Number        uint64 // of the request in its session, from 1
	Received      uint64 // the newest Number whose answer arrived; what later answers told is told again
	Partitions    []FetchPartition
	Forget        []PartitionID
	MaxBytes      int           // of batches; the first batch may be larger
	MaxWait       time.Duration // how long the leader may wait for something to tell
}

// FetchPartition is where a follower is.
type FetchPartition struct {
	PartitionID
	LeaderEpoch int32 // that the follower believes in
	Offset      int64 // its log end offset
	LastEpoch   int32 // leader epoch of the record before Offset, -1: none
	LogStart    int64
}

// FetchResponse tells what is new. Release gives back its memory.
type FetchResponse struct {
	Session    uint64
	Number     uint64 // of the request
	Partitions []FetchedPartition
	// Err is FETCH_SESSION_ID_NOT_FOUND where the leader does not know the
	// session (it began anew since): the follower begins a new one.
	Err error

	pooled bool   // it has memory to be given back
	buf    []byte // kept for the next answer
	room   []byte // what is used of the memory for batches
}

// FetchedPartition is what is new of a partition.
type FetchedPartition struct {
	PartitionID
	// Err is OFFSET_OUT_OF_RANGE, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH,
	// NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_ID, KAFKA_STORAGE_ERROR …
	Err error
	// Diverging is set where the follower's log and the leader's part before
	// the offset asked for (KIP-595).
	Diverging     *EpochEnd
	HighWatermark int64
	LogStart      int64
	LogEnd        int64  // with OFFSET_OUT_OF_RANGE
	Batches       []byte // whole, from the offset asked for on
}

// EpochEnd is the newest leader epoch in the leader's log that is not above
// the one asked for, and the offset where it ends.
type EpochEnd struct {
	Epoch  int32
	Offset int64
}
