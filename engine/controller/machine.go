package controller

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

// producerIDBlock is how many producer ids a broker is given at a time.
const producerIDBlock = 1000

// command is a request to the machine; R is the type of its answer. It is
// answered from (image, now) alone: run returns the records to append and the
// answer to give once they are committed.
type command[R any] interface {
	run(m *machine, img *metadata.Image, now time.Time) ([]metadata.Record, R)
}

// machine computes decisions. It holds nothing that changes.
type machine struct {
	maxReplicas int
	newID       func() metadata.UUID
}

func newMachine(cfg Config) machine {
	return machine{maxReplicas: cfg.MaxReplicationFactor, newID: cfg.NewID}
}

// begin returns the first records of a newly elected controller: its own
// election, and the brokers of this process as they are now.
func (m *machine) begin(img *metadata.Image, cfg Config, epoch int32) ([]metadata.Record, error) {
	var recs []metadata.Record
	if img.ClusterID() == "" {
		id := cfg.ClusterID
		if id == "" {
			id = m.newID().String()
		}
		recs = append(recs, metadata.ClusterRecord{ClusterID: id})
	}
	recs = append(recs, metadata.ControllerRecord{ID: cfg.ID, Epoch: epoch})
	if cfg.Brokers == nil {
		return recs, nil
	}
	here := make(map[int32]bool, len(cfg.Brokers))
	for _, b := range cfg.Brokers {
		here[b.ID] = true
		if old, ok := img.Broker(b.ID); ok && sameBroker(old, b) {
			continue
		}
		recs = append(recs, registration(img, recs, b))
	}
	for _, b := range img.Brokers() {
		if !here[b.ID] && !b.Fenced {
			recs = append(recs, metadata.BrokerChangeRecord{ID: b.ID, Fenced: true, Cause: metadata.CauseGone})
		}
	}
	return withElections(img, recs)
}

func sameBroker(old, b metadata.Broker) bool {
	return !old.Fenced && old.Rack == b.Rack && slices.Equal(old.Listeners, b.Listeners)
}

// registration returns the record that registers b after recs.
func registration(img *metadata.Image, recs []metadata.Record, b metadata.Broker) metadata.BrokerRegistrationRecord {
	b.Epoch = img.Offset() + int64(len(recs)) + 1
	b.Fenced = false
	return metadata.BrokerRegistrationRecord(b)
}

// withElections adds to recs, which changed brokers, the leader changes that
// follow from them.
func withElections(img *metadata.Image, recs []metadata.Record) ([]metadata.Record, error) {
	after, delta, err := img.Apply(recs...)
	if err != nil {
		return nil, err
	}
	if len(delta.BrokersChanged) == 0 {
		return recs, nil
	}
	alive := aliveBrokers(after)
	for _, t := range after.Topics() {
		for n := range t.Partitions {
			if r, ok := elect(t, int32(n), alive); ok {
				recs = append(recs, r)
			}
		}
	}
	return recs, nil
}

func aliveBrokers(img *metadata.Image) map[int32]bool {
	alive := make(map[int32]bool)
	for _, b := range img.Brokers() {
		if !b.Fenced {
			alive[b.ID] = true
		}
	}
	return alive
}

// elect returns the change of a partition whose leader is gone, or that can
// have one again: the first replica that is in sync and alive leads. Dead
// replicas leave the ISR, except that it never becomes empty: its last members
// alone are known to have all that was acknowledged.
func elect(t *metadata.Topic, n int32, alive map[int32]bool) (metadata.PartitionChangeRecord, bool) {
	p := &t.Partitions[n]
	r := metadata.PartitionChangeRecord{TopicID: t.ID, Partition: n, Leader: metadata.LeaderUnchanged}
	isr := slices.DeleteFunc(slices.Clone(p.ISR), func(id int32) bool { return !alive[id] })
	if len(isr) > 0 && len(isr) < len(p.ISR) {
		r.ISR = isr
	}
	if !alive[p.Leader] {
		leader := metadata.NoLeader
		if i := slices.IndexFunc(p.Replicas, func(id int32) bool { return slices.Contains(isr, id) }); i >= 0 {
			leader = p.Replicas[i]
		}
		if leader != p.Leader {
			r.Leader = leader
		}
	}
	return r, r.ISR != nil || r.Leader != metadata.LeaderUnchanged
}

type registerBroker Registration

type fenceBroker struct {
	id    int32
	cause metadata.Cause
}

type brokerResult struct {
	epoch int64
	err   error
}

func (r registerBroker) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, brokerResult) {
	if r.Broker.ID < 1 {
		return nil, brokerResult{err: metadata.Refuse(kerr.InvalidRequest, "Broker id %d is not above 0.", r.Broker.ID)}
	}
	reg := registration(img, nil, r.Broker)
	recs, err := withElections(img, []metadata.Record{reg})
	return recs, brokerResult{epoch: reg.Epoch, err: err}
}

func (r fenceBroker) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, brokerResult) {
	b, ok := img.Broker(r.id)
	switch {
	case !ok:
		return nil, brokerResult{err: metadata.Refuse(kerr.BrokerIDNotRegistered, "Broker %d is not registered.", r.id)}
	case b.Fenced:
		return nil, brokerResult{epoch: b.Epoch}
	}
	recs, err := withElections(img, []metadata.Record{metadata.BrokerChangeRecord{ID: r.id, Fenced: true, Cause: r.cause}})
	return recs, brokerResult{epoch: b.Epoch, err: err}
}

type allocateProducerIDs struct{ broker int32 }

type producerIDsResult struct {
	first int64
	count int32
	err   error
}

func (r allocateProducerIDs) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, producerIDsResult) {
	if b, ok := img.Broker(r.broker); !ok || b.Fenced {
		return nil, producerIDsResult{err: metadata.Refuse(kerr.StaleBrokerEpoch, "Broker %d is not registered, or is fenced.", r.broker)}
	}
	first := img.NextProducerID()
	return []metadata.Record{metadata.ProducerIDsRecord{BrokerID: r.broker, Next: first + producerIDBlock}},
		producerIDsResult{first: first, count: producerIDBlock}
}
