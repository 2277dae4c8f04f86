package controller

import (
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

type registerBroker Registration

type brokerResult struct {
	epoch int64
	err   error
}

func (r registerBroker) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, brokerResult) {
	b := r.Broker
	if b.ID < 1 {
		return nil, brokerResult{err: metadata.Refuse(kerr.InvalidRequest, "Broker id %d is not above 0.", b.ID)}
	}
	old, known := img.Broker(b.ID)
	if known && !b.Incarnation.IsZero() && old.Incarnation == b.Incarnation {
		if old.Rack == b.Rack && slices.Equal(old.Listeners, b.Listeners) {
			return nil, brokerResult{epoch: old.Epoch}
		}
		old.Rack, old.Listeners = b.Rack, b.Listeners
		return []metadata.Record{metadata.BrokerRegistrationRecord(old)}, brokerResult{epoch: old.Epoch}
	}
	b.Fenced, b.Draining = true, false
	recs := []metadata.Record{registration(img, nil, b)}
	cause := metadata.CauseRegistration
	if !r.Clean {
		cause = metadata.CauseUncleanRestart
	}
	recs, err := afterRegistration(img, recs, b.ID, r.Clean, cause)
	return recs, brokerResult{epoch: img.Offset() + 1, err: err}
}

// afterRegistration adds the changes of partitions that follow from the new
// registration of a broker, which is fenced and whose logs may lack records
// if its last run did not end cleanly.
func afterRegistration(img *metadata.Image, recs []metadata.Record, id int32, clean bool, cause metadata.Cause) ([]metadata.Record, error) {
	after, _, err := img.Apply(recs...)
	if err != nil {
		return nil, err
	}
	e := newElector(after)
	e.recs = recs
	for _, t := range after.Topics() {
		for n := range t.Partitions {
			p := &t.Partitions[n]
			held := slices.Contains(p.ISR, id) || slices.Contains(p.ELR, id)
			if e.settled(p) && (clean || !held) {
				continue
			}
			d := e.edit(t, int32(n), cause)
			if !clean {
				d.distrusted = []int32{id}
			}
			e.add(d)
		}
	}
	return e.recs, nil
}

// registration returns the record that registers b after recs.
func registration(img *metadata.Image, recs []metadata.Record, b metadata.Broker) metadata.BrokerRegistrationRecord {
	b.Epoch = img.Offset() + int64(len(recs)) + 1
	return metadata.BrokerRegistrationRecord(b)
}

type fenceBroker struct {
	id    int32
	cause metadata.Cause
}

func (r fenceBroker) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, brokerResult) {
	b, ok := img.Broker(r.id)
	switch {
	case !ok:
		return nil, brokerResult{err: notRegistered(r.id)}
	case b.Fenced:
		return nil, brokerResult{epoch: b.Epoch}
	}
	recs, err := fence(img, []int32{r.id}, r.cause)
	return recs, brokerResult{epoch: b.Epoch, err: err}
}

// fence returns the records that fence brokers and move what they lead.
func fence(img *metadata.Image, ids []int32, cause metadata.Cause) ([]metadata.Record, error) {
	var recs []metadata.Record
	for _, id := range ids {
		if b, ok := img.Broker(id); ok && !b.Fenced {
			recs = append(recs, metadata.BrokerChangeRecord{ID: id, Fenced: true, Cause: cause})
		}
	}
	if len(recs) == 0 {
		return nil, nil
	}
	return withElections(img, recs, metadata.CauseFenced)
}

// fenceBrokers fences those whose epoch is still the one given.
type fenceBrokers struct {
	epochs map[int32]int64
	cause  metadata.Cause
}

func (r fenceBrokers) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, error) {
	var ids []int32
	for _, b := range img.Brokers() {
		if epoch, ok := r.epochs[b.ID]; ok && epoch == b.Epoch {
			ids = append(ids, b.ID)
		}
	}
	return fence(img, ids, r.cause)
}

type unregisterBroker struct{ id int32 }

func (r unregisterBroker) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, error) {
	if _, ok := img.Broker(r.id); !ok {
		return nil, notRegistered(r.id)
	}
	return withElections(img, []metadata.Record{metadata.UnregisterBrokerRecord{ID: r.id}}, metadata.CauseGone)
}

func notRegistered(id int32) error {
	return metadata.Refuse(kerr.BrokerIDNotRegistered, "Broker ID %d is not currently registered", id)
}

func staleEpoch(id int32, requested, expected int64) error {
	return metadata.Refuse(kerr.StaleBrokerEpoch, "Broker %d has the epoch %d, not %d.", id, expected, requested)
}

// checkEpoch refuses what an earlier run of a broker says.
func checkEpoch(img *metadata.Image, id int32, epoch int64) (metadata.Broker, error) {
	b, ok := img.Broker(id)
	switch {
	case !ok:
		return b, notRegistered(id)
	case b.Epoch != epoch:
		return b, staleEpoch(id, epoch, b.Epoch)
	}
	return b, nil
}

// heartbeat is a Heartbeat, with what the sessions know of the others.
type heartbeat struct {
	Heartbeat
	// drained is the offset that the images of all others must have reached
	// before the broker may end; -1: its controlled shutdown has not begun.
	drained int64
	// others is the lowest offset that another live broker has told.
	others int64
}

type heartbeatResult struct {
	HeartbeatResult
	// drained is as in heartbeat, once the controlled shutdown has begun.
	drained int64
	err     error
}

// run follows Kafka's BrokerHeartbeatManager: fenced → unfenced once caught up;
// unfenced → controlled shutdown → fenced and free to end, once it leads
// nothing and the others know.
func (r heartbeat) run(_ *machine, img *metadata.Image, _ time.Time) ([]metadata.Record, heartbeatResult) {
	res := heartbeatResult{drained: r.drained}
	b, err := checkEpoch(img, r.Broker, r.Epoch)
	if err != nil {
		res.err = err
		return nil, res
	}
	res.Fenced, res.CaughtUp = b.Fenced, r.Offset >= b.Epoch
	change := metadata.BrokerChangeRecord{ID: b.ID}
	cause := metadata.CauseUnfenced
	switch {
	case b.Fenced && r.WantShutdown:
		res.ShutDown = true
		return nil, res
	case b.Fenced && (r.WantFence || !res.CaughtUp):
		return nil, res
	case b.Fenced:
		res.Fenced = false
	case r.WantFence:
		res.Fenced, change.Fenced, change.Cause, cause = true, true, metadata.CauseRequest, metadata.CauseFenced
	case r.WantShutdown && !b.Draining:
		change.Draining, change.Cause, cause = true, metadata.CauseShutdown, metadata.CauseShutdown
	case b.Draining && r.drained >= 0 && r.others >= r.drained && !leads(img, b.ID):
		res.Fenced, res.ShutDown = true, true
		change.Fenced, change.Cause, cause = true, metadata.CauseShutdown, metadata.CauseShutdown
	default:
		return nil, res
	}
	recs, err := withElections(img, []metadata.Record{change}, cause)
	res.err = err
	if change.Draining {
		res.drained = img.Offset() + int64(len(recs))
	}
	return recs, res
}

// quiet says whether a heartbeat changes nothing, so that no goroutine need
// wake for it.
func (r heartbeat) quiet(img *metadata.Image) (heartbeatResult, bool) {
	b, ok := img.Broker(r.Broker)
	if !ok || b.Epoch != r.Epoch || b.Fenced || b.Draining || r.WantFence || r.WantShutdown {
		return heartbeatResult{}, false
	}
	return heartbeatResult{HeartbeatResult: HeartbeatResult{CaughtUp: r.Offset >= b.Epoch}}, true
}

// leads says whether a broker leads any partition.
func leads(img *metadata.Image, id int32) bool {
	for _, t := range img.Topics() {
		for n := range t.Partitions {
			if t.Partitions[n].Leader == id {
				return true
			}
		}
	}
	return false
}

// noOthers is heartbeat.others where no other broker lives.
const noOthers = math.MaxInt64
