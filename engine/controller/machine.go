package controller

import (
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
// election; if it is the first of this process, the brokers as they start; and
// what follows from the brokers that are lost already.
func (m *machine) begin(img *metadata.Image, cfg Config, epoch int32, lost map[int32]bool) ([]metadata.Record, error) {
	var recs []metadata.Record
	if img.ClusterID() == "" {
		id := cfg.ClusterID
		if id == "" {
			id = m.newID().String()
		}
		recs = append(recs, metadata.ClusterRecord{ClusterID: id})
	}
	recs = append(recs, metadata.ControllerRecord{ID: cfg.ID, Epoch: epoch})
	if firstOfProcess(img, cfg) {
		recs = start(img, cfg, recs)
	}
	after, _, err := img.Apply(recs...)
	if err != nil {
		return nil, err
	}
	for _, b := range after.Brokers() {
		if lost[b.ID] && !b.Fenced {
			recs = append(recs, metadata.BrokerChangeRecord{ID: b.ID, Fenced: true, Cause: metadata.CauseConnection})
		}
	}
	return withElections(img, recs, metadata.CauseStart)
}

// firstOfProcess says whether no controller has registered the brokers of this
// process: then this broker's own registration is of an earlier run.
func firstOfProcess(img *metadata.Image, cfg Config) bool {
	for _, b := range cfg.Brokers {
		if b.ID == cfg.ID {
			old, ok := img.Broker(b.ID)
			return !ok || old.Incarnation != b.Incarnation
		}
	}
	return false
}

// start registers the brokers of this process, with what they led and were in
// sync for: all are starting, so nobody has more than they have. New leader
// epochs tell what they write from what they may have lost.
func start(img *metadata.Image, cfg Config, recs []metadata.Record) []metadata.Record {
	here := make(map[int32]bool, len(cfg.Brokers))
	for _, b := range cfg.Brokers {
		here[b.ID] = true
		b.Fenced, b.Draining = false, false
		recs = append(recs, registration(img, recs, b))
	}
	for _, b := range img.Brokers() {
		if !here[b.ID] && !b.Fenced {
			recs = append(recs, metadata.BrokerChangeRecord{ID: b.ID, Fenced: true, Cause: metadata.CauseGone})
		}
	}
	if img.PartitionCount() > 0 {
		recs = append(recs, metadata.LeaderEpochsRecord{})
	}
	return recs
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
