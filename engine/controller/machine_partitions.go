package controller

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

type alterPartitions AlterPartitions

// run follows KIP-497 and KIP-903.
func (r alterPartitions) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, []AlterPartitionResult) {
	out := make([]AlterPartitionResult, len(r.Partitions))
	if _, err := checkEpoch(img, r.Broker, r.Epoch); err != nil {
		for i := range out {
			out[i].Err = err
		}
		return nil, out
	}
	e := newElector(img)
	seen := make(map[metadata.TopicPartition]bool, len(r.Partitions))
	for i, p := range r.Partitions {
		id := metadata.TopicPartition{Topic: p.Topic, Partition: p.Partition}
		if seen[id] {
			out[i].Err = metadata.Refuse(kerr.InvalidRequest, "Partition %d of topic %s is named twice.", p.Partition, p.Topic)
			continue
		}
		seen[id] = true
		out[i] = r.alter(e, p)
	}
	return e.recs, out
}

// alter changes the ISR of one partition.
func (r alterPartitions) alter(e *elector, p AlterPartition) AlterPartitionResult {
	t, is, err := r.check(e, p)
	if err != nil {
		return AlterPartitionResult{Err: err}
	}
	d := e.edit(t, p.Partition, metadata.CauseInSync)
	d.ISR = p.ISR
	was := *is
	if !e.add(d) {
		return AlterPartitionResult{Partition: was}
	}
	now := d.Partition
	if now.PartitionEpoch++; len(e.recs) > 0 {
		if last, ok := e.recs[len(e.recs)-1].(metadata.PartitionChangeRecord); ok && last.Leader != metadata.LeaderUnchanged {
			now.LeaderEpoch++
		}
	}
	if now.Leader != r.Broker {
		return AlterPartitionResult{Partition: now, Err: metadata.Refuse(kerr.NewLeaderElected,
			"The change completed the reassignment of partition %d of topic %s, and broker %d leads it now.", p.Partition, t.Name, now.Leader)}
	}
	return AlterPartitionResult{Partition: now}
}

// check says why the ISR of a partition cannot be what the broker asks for.
func (r alterPartitions) check(e *elector, p AlterPartition) (*metadata.Topic, *metadata.Partition, error) {
	t := e.img.TopicByID(p.Topic)
	if t == nil {
		return nil, nil, metadata.Refuse(kerr.UnknownTopicID, "There is no topic with the id %s.", p.Topic)
	}
	if p.Partition < 0 || int(p.Partition) >= len(t.Partitions) {
		return nil, nil, metadata.Refuse(kerr.UnknownTopicOrPartition, "Topic %s has no partition %d.", t.Name, p.Partition)
	}
	is := &t.Partitions[p.Partition]
	refuse := func(code *kerr.Error, format string, args ...any) (*metadata.Topic, *metadata.Partition, error) {
		return nil, nil, metadata.Refuse(code, format, args...)
	}
	switch {
	case p.LeaderEpoch > is.LeaderEpoch || p.PartitionEpoch > is.PartitionEpoch:
		return refuse(kerr.NotController, "The broker knows newer epochs of %s-%d than this controller.", t.Name, p.Partition)
	case p.LeaderEpoch < is.LeaderEpoch:
		return refuse(kerr.FencedLeaderEpoch, "The leader epoch of %s-%d is %d, not %d.", t.Name, p.Partition, is.LeaderEpoch, p.LeaderEpoch)
	case r.Broker != is.Leader:
		return refuse(kerr.InvalidRequest, "The leader of %s-%d is broker %d.", t.Name, p.Partition, is.Leader)
	case p.PartitionEpoch < is.PartitionEpoch:
		return refuse(kerr.InvalidUpdateVersion, "The partition epoch of %s-%d is %d, not %d.", t.Name, p.Partition, is.PartitionEpoch, p.PartitionEpoch)
	case !isSubset(p.ISR, is.Replicas):
		return refuse(kerr.InvalidRequest, "The ISR %v of %s-%d is not part of its replicas %v.", p.ISR, t.Name, p.Partition, is.Replicas)
	case !slices.Contains(p.ISR, r.Broker):
		return refuse(kerr.InvalidRequest, "The ISR %v of %s-%d is without its leader.", p.ISR, t.Name, p.Partition)
	case p.ISREpochs != nil && len(p.ISREpochs) != len(p.ISR):
		return refuse(kerr.InvalidRequest, "%d broker epochs for %d replicas.", len(p.ISREpochs), len(p.ISR))
	}
	for i, id := range p.ISR {
		b, ok := e.img.Broker(id)
		if !ok || !b.Active() || p.ISREpochs != nil && p.ISREpochs[i] >= 0 && p.ISREpochs[i] != b.Epoch {
			return refuse(kerr.IneligibleReplica, "Broker %d cannot be in the ISR of %s-%d: it is fenced, shutting down, or was started again.", id, t.Name, p.Partition)
		}
	}
	return t, is, nil
}

// isSubset says whether all of list are in of, each once.
func isSubset(list, of []int32) bool {
	for i, id := range list {
		if !slices.Contains(of, id) || slices.Contains(list[:i], id) {
			return false
		}
	}
	return true
}

type replicaFailed struct {
	broker int32
	parts  []metadata.TopicPartition
}

func (r replicaFailed) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, error) {
	e := newElector(img)
	seen := make(map[metadata.TopicPartition]bool, len(r.parts))
	for _, p := range r.parts {
		t := img.TopicByID(p.Topic)
		if t == nil || p.Partition < 0 || int(p.Partition) >= len(t.Partitions) || seen[p] {
			continue // removed meanwhile
		}
		seen[p] = true
		d := e.edit(t, p.Partition, metadata.CauseReplicaFailed)
		d.distrusted = []int32{r.broker}
		d.giveUp = d.kind == unclean && slices.ContainsFunc(d.Replicas, func(id int32) bool { return id != r.broker && e.active[id] })
		e.add(d)
	}
	return e.recs, nil
}

type electLeaders struct {
	kind  ElectionType
	parts []TopicPartition
}

type electResults struct {
	results []ElectResult
	err     error
}

func (r electLeaders) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, electResults) {
	if r.kind != Preferred && r.kind != Unclean {
		return nil, electResults{err: metadata.Refuse(kerr.InvalidRequest, "Unknown election type %d", r.kind)}
	}
	e := newElector(img)
	if r.parts == nil {
		out := []ElectResult{}
		for _, t := range img.Topics() {
			for n := range t.Partitions {
				if needsElection(&t.Partitions[n], r.kind) {
					out = append(out, ElectResult{TopicPartition{t.Name, int32(n)}, r.elect(e, t, int32(n))})
				}
			}
		}
		return e.recs, electResults{results: out}
	}
	out := make([]ElectResult, len(r.parts))
	seen := make(map[TopicPartition]bool, len(r.parts))
	for i, p := range r.parts {
		out[i].TopicPartition = p
		t := img.Topic(p.Topic)
		switch {
		case t == nil:
			out[i].Err = metadata.Refuse(kerr.UnknownTopicOrPartition, "No such topic as %s", p.Topic)
		case p.Partition < 0 || int(p.Partition) >= len(t.Partitions):
			out[i].Err = metadata.Refuse(kerr.UnknownTopicOrPartition, "No such partition as %s-%d", p.Topic, p.Partition)
		case seen[p] || !needsElection(&t.Partitions[p.Partition], r.kind):
			out[i].Err = metadata.Refuse(kerr.ElectionNotNeeded, "Leader election not needed for topic partition.")
		default:
			seen[p] = true
			out[i].Err = r.elect(e, t, p.Partition)
		}
	}
	return e.recs, electResults{results: out}
}

func needsElection(p *metadata.Partition, kind ElectionType) bool {
	if kind == Preferred {
		return p.Leader != p.Replicas[0]
	}
	return p.Leader == metadata.NoLeader
}

// elect elects the leader of one partition that needs it.
func (r electLeaders) elect(e *elector, t *metadata.Topic, n int32) error {
	d := e.edit(t, n, metadata.CausePreferred)
	d.kind = preferred
	if r.kind == Unclean {
		d.kind, d.cause = unclean, metadata.CauseRequest
	}
	rec, ok := d.record()
	switch {
	case ok && rec.Leader != metadata.LeaderUnchanged && rec.Leader != metadata.NoLeader:
		e.recs = append(e.recs, rec)
		return nil
	case r.kind == Preferred:
		return metadata.Refuse(kerr.PreferredLeaderNotAvailable, "The preferred leader was not available.")
	}
	return metadata.Refuse(kerr.EligibleLeadersNotAvailable, "Eligible topic partition leaders are not available.")
}

// balance gives leadership back to preferred leaders where too much of it is
// elsewhere (auto.leader.rebalance.enable).
type balance struct{}

// run elects the preferred leaders of each broker that leads less than it
// should by more than leader.imbalance.per.broker.percentage of its share.
func (balance) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, error) {
	if !img.BrokerBool("auto.leader.rebalance.enable") {
		return nil, nil
	}
	share, away := make(map[int32]int), make(map[int32]int)
	for _, t := range img.Topics() {
		for n := range t.Partitions {
			p := &t.Partitions[n]
			share[p.Replicas[0]]++
			if p.Leader != p.Replicas[0] {
				away[p.Replicas[0]]++
			}
		}
	}
	percent := int(img.BrokerInt("leader.imbalance.per.broker.percentage"))
	e := newElector(img)
	for _, t := range img.Topics() {
		for n := range t.Partitions {
			p := &t.Partitions[n]
			first := p.Replicas[0]
			if p.Leader == first || away[first]*100 <= percent*share[first] || !e.active[first] || !slices.Contains(p.ISR, first) {
				continue
			}
			d := e.edit(t, int32(n), metadata.CausePreferred)
			d.kind = preferred
			e.add(d)
		}
	}
	return e.recs, nil
}
