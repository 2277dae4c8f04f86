package controller

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

type alterReassignments struct {
	moves        []Reassignment
	changeFactor bool
}

// run follows KIP-455: a move adds the new replicas to the old ones, and the
// old ones leave when all that were added are in sync.
func (r alterReassignments) run(m *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, []ReassignResult) {
	e := newElector(img)
	out := make([]ReassignResult, len(r.moves))
	seen := make(map[TopicPartition]bool, len(r.moves))
	for i, move := range r.moves {
		out[i].TopicPartition = move.TopicPartition
		if seen[move.TopicPartition] {
			out[i].Err = metadata.Refuse(kerr.InvalidRequest, "The partition is named twice.")
			continue
		}
		seen[move.TopicPartition] = true
		out[i].Err = r.move(m, e, move)
	}
	return e.recs, out
}

func (r alterReassignments) move(m *machine, e *elector, move Reassignment) error {
	t := e.img.Topic(move.Topic)
	if t == nil {
		return metadata.Refuse(kerr.UnknownTopicOrPartition, "Unable to find a topic named %s.", move.Topic)
	}
	if move.Partition < 0 || int(move.Partition) >= len(t.Partitions) {
		return metadata.Refuse(kerr.UnknownTopicOrPartition, "Unable to find partition %s:%d.", move.Topic, move.Partition)
	}
	d := e.edit(t, move.Partition, metadata.CauseReassignment)
	if move.Replicas == nil {
		if err := d.cancel(); err != nil {
			return err
		}
	} else if err := r.begin(m, d, move.Replicas); err != nil {
		return err
	}
	e.add(d)
	return nil
}

// begin starts a move, or turns the one under way to another aim.
func (r alterReassignments) begin(m *machine, d *partitionEdit, target []int32) error {
	was := without(d.was.Replicas, d.was.Adding) // as it was before any move
	if err := checkReplicas(d.img, target); err != nil {
		return err
	}
	if !r.changeFactor && len(target) != len(was) {
		return metadata.Refuse(kerr.InvalidReplicationFactor, "The replication factor is changed from %d to %d", len(was), len(target))
	}
	if len(target) > m.maxReplicas {
		return tooManyReplicas(int64(len(target)), m.maxReplicas)
	}
	d.Adding, d.Removing = without(target, was), without(was, target)
	slices.Sort(d.Adding)
	slices.Sort(d.Removing)
	d.Replicas = slices.Concat(target, d.Removing)
	return nil
}

// cancel gives the move under way up: what was added leaves again.
func (d *partitionEdit) cancel() error {
	if len(d.was.Adding) == 0 && len(d.was.Removing) == 0 {
		return metadata.Refuse(kerr.NoReassignmentInProgress, "No partition reassignment is in progress.")
	}
	d.Replicas, d.ISR = without(d.was.Replicas, d.was.Adding), without(d.was.ISR, d.was.Adding)
	if len(d.Replicas) == 0 || len(d.ISR) == 0 && len(d.was.ISR) > 0 && d.kind != unclean {
		return metadata.Refuse(kerr.InvalidReplicaAssignment,
			"Unable to revert partition assignment for %s:%d because it would require an unclean leader election.", d.topic.Name, d.n)
	}
	d.Adding, d.Removing = nil, nil
	return nil
}

// checkReplicas checks replicas that are given by hand, in Kafka's words.
func checkReplicas(img *metadata.Image, replicas []int32) error {
	if len(replicas) == 0 {
		return metadata.Refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	for i, id := range replicas {
		if _, ok := img.Broker(id); !ok {
			return metadata.Refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker %d, but no such broker is registered.", id)
		}
		if slices.Contains(replicas[:i], id) {
			return metadata.Refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes the broker %d more than once.", id)
		}
	}
	return nil
}
