package coordinator

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/coordinator/group"
)

// batchBytes is how many bytes of records go into one batch: well below what
// the topic allows (max.message.bytes, 1 MiB).
const batchBytes = 512 << 10

// readBytes is how much of the log is read at once when it is replayed.
const readBytes = 1 << 20

var errStopped = errors.New("the shard was stopped")

// append writes records in order, in one batch if they fit, and returns the
// code that requests are to be answered with if that fails.
func (s *shard) append(now time.Time, records []group.Record) int16 {
	b := batch.NewBuilder(batch.BuilderOptions{})
	written := false
	put := func() error {
		last, err := s.log.Append(b.Build())
		if err != nil {
			return err
		}
		written = true
		s.appended = last
		s.log.Notify(last, func(err error) { s.heard(last, err) })
		return nil
	}
	for i, r := range records {
		b.Append(now.UnixMilli(), r.Key(), r.Value(), nil)
		if b.Size() < batchBytes && i < len(records)-1 {
			continue
		}
		if err := put(); err != nil {
			if written {
				// Part of it is in the log: what the machine knows is no longer
				// what the log says.
				s.heard(-1, fmt.Errorf("appending to the log after a part was written: %w", err))
			}
			s.cfg.Logger.Warn("cannot append to "+OffsetsTopic, "partition", s.partition, "error", err)
			return appendCode(err)
		}
		b = batch.NewBuilder(batch.BuilderOptions{})
	}
	return 0
}

// heard is told by the log that all up to offset is committed, or never will
// be. It does not block.
func (s *shard) heard(offset int64, err error) {
	if err != nil {
		s.lost.CompareAndSwap(nil, &err)
	}
	for {
		old := s.committed.Load()
		if err != nil || offset <= old || s.committed.CompareAndSwap(old, offset) {
			break
		}
	}
	select {
	case s.progress <- struct{}{}:
	default:
	}
}

// appendCode turns why an append failed into what a client of the coordinator
// is to do about it.
func appendCode(err error) int16 {
	var k *kerr.Error
	if !errors.As(err, &k) {
		return kerr.UnknownServerError.Code
	}
	switch k {
	case kerr.UnknownTopicOrPartition, kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend, kerr.RequestTimedOut:
		return kerr.CoordinatorNotAvailable.Code
	case kerr.NotLeaderForPartition, kerr.KafkaStorageError:
		return kerr.NotCoordinator.Code
	default:
		return kerr.UnknownServerError.Code
	}
}

// load replays the log and returns how many records it held.
func (s *shard) load() (records int, err error) {
	end := s.log.End()
	if err := s.awaitCommitted(end - 1); err != nil {
		return 0, err
	}
	unknown := 0
	var buf []byte
	for next := s.log.Start(); next < end; {
		select {
		case <-s.stop:
			return records, errStopped
		default:
		}
		if buf, err = s.log.Read(buf[:0], next, readBytes); err != nil {
			return records, fmt.Errorf("reading from offset %d: %w", next, err)
		}
		from := next
		for b := range batch.Split(buf) {
			last, n, skipped, err := s.replay(b)
			if err != nil {
				return records, fmt.Errorf("replaying from offset %d: %w", next, err)
			}
			records, unknown = records+n, unknown+skipped
			next = max(next, last+1)
		}
		if next == from {
			break // compaction took what was left
		}
	}
	if unknown > 0 {
		s.cfg.Logger.Warn("records of "+OffsetsTopic+" that this version does not know were skipped", "partition", s.partition, "records", unknown)
	}
	return records, nil
}

// awaitCommitted waits until the high watermark has passed offset.
func (s *shard) awaitCommitted(offset int64) error {
	if offset < s.log.Start() {
		return nil
	}
	heard := make(chan error, 1)
	s.log.Notify(offset, func(err error) { heard <- err })
	select {
	case err := <-heard:
		return err
	case <-s.stop:
		return errStopped
	}
}

// replay applies one batch and returns its last offset, and how many records
// it held and how many of them are of unknown kinds or make no sense.
func (s *shard) replay(b []byte) (last int64, records, skipped int, err error) {
	if !batch.CheckCRC(b) {
		return 0, 0, 0, errors.New("a batch whose checksum is wrong")
	}
	h, err := batch.ParseHeader(b)
	if err != nil || h.IsControl() {
		return h.LastOffset(), 0, 0, err
	}
	for r, err := range batch.Records(b, batch.Limits{Stored: true, AllowTransactional: true}) {
		if err != nil {
			return 0, records, skipped, err
		}
		records++
		rec, err := group.Decode(r.Key, r.Value)
		switch {
		case errors.Is(err, group.ErrUnknownRecord):
			skipped++
		case err != nil:
			skipped++
			s.cfg.Logger.Warn("a record of "+OffsetsTopic+" makes no sense and is skipped", "partition", s.partition, "offset", r.Offset, "error", err)
		default:
			s.machine.Replay(rec)
		}
	}
	return h.LastOffset(), records, skipped, nil
}
