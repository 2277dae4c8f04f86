package controller

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

type unregisterBroker struct{ id int32 }

func (r unregisterBroker) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, error) {
	if _, ok := img.Broker(r.id); !ok {
		return nil, notRegistered(r.id)
	}
	return []metadata.Record{metadata.UnregisterBrokerRecord{ID: r.id}}, nil
}

func notRegistered(id int32) error {
	return metadata.Refuse(kerr.BrokerIDNotRegistered, "Broker ID %d is not currently registered.", id)
}

type heartbeat struct{ Heartbeat }

type heartbeatResult struct {
	HeartbeatResult
	err error
}

func (r heartbeat) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, heartbeatResult) {
	b, ok := img.Broker(r.Broker)
	switch {
	case !ok:
		return nil, heartbeatResult{err: notRegistered(r.Broker)}
	case b.Epoch != r.Epoch:
		return nil, heartbeatResult{err: metadata.Refuse(kerr.StaleBrokerEpoch, "Broker %d has the epoch %d, not %d.", r.Broker, b.Epoch, r.Epoch)}
	}
	res := heartbeatResult{HeartbeatResult: HeartbeatResult{Fenced: b.Fenced, CaughtUp: r.Offset >= b.Epoch}}
	return nil, res
}

type alterPartitions AlterPartitions

func (r alterPartitions) run(_ *machine, _ *metadata.Image, _ time.Time) ([]metadata.Record, []AlterPartitionResult) {
	out := make([]AlterPartitionResult, len(r.Partitions))
	for i := range out {
		out[i].Err = metadata.Refuse(kerr.UnsupportedVersion, "One copy of each partition is kept.")
	}
	return nil, out
}

type replicaFailed struct {
	broker int32
	parts  []metadata.TopicPartition
}

func (r replicaFailed) run(_ *machine, _ *metadata.Image, _ time.Time) ([]metadata.Record, error) {
	return nil, nil
}

type electLeaders struct {
	kind  ElectionType
	parts []TopicPartition
}

type electResults struct {
	results []ElectResult
	err     error
}

func (r electLeaders) run(_ *machine, _ *metadata.Image, _ time.Time) ([]metadata.Record, electResults) {
	out := make([]ElectResult, len(r.parts))
	for i, p := range r.parts {
		out[i] = ElectResult{p, metadata.Refuse(kerr.ElectionNotNeeded, "Leader election not needed for topic partition.")}
	}
	return nil, electResults{results: out}
}

type alterReassignments struct {
	moves        []Reassignment
	changeFactor bool
}

func (r alterReassignments) run(_ *machine, _ *metadata.Image, _ time.Time) ([]metadata.Record, []ReassignResult) {
	out := make([]ReassignResult, len(r.moves))
	for i, m := range r.moves {
		out[i] = ReassignResult{m.TopicPartition, metadata.Refuse(kerr.NoReassignmentInProgress, "No partition reassignment found.")}
	}
	return nil, out
}
