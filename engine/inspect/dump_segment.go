package inspect

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/storage"
)

// whatever are the limits for batches that are only looked at.
var whatever = batch.Limits{Stored: true, AllowControl: true, AllowTransactional: true, MaxDecompressed: maxOpened, MaxRatio: math.MaxInt32}

// segment shows the batches of a segment, and goes on behind damage.
func (d *dumper) segment(l *logFolder, file storage.LogFile) error {
	name := l.dir + "/" + file.Name
	f, err := d.fs.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	c, err := newCursor(f)
	if err != nil {
		return err
	}
	if d.shows(PartSegments) {
		if err := d.out(SegmentItem{Place: l.place(), File: name, BaseOffset: file.Offset, Bytes: c.size}); err != nil {
			return err
		}
	}
	for d.shows(PartBatches, PartRecords) {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if c.step() {
			if err := d.batch(l, file.Offset, c); err != nil {
				return err
			}
			continue
		}
		if c.err == nil {
			return nil
		}
		if !errors.Is(c.err, errDamaged) {
			return c.err
		}
		why := c.err
		bytes, err := c.skip()
		if err != nil {
			return err
		}
		if err := d.out(DamageItem{Place: l.place(), Segment: file.Offset, Position: c.pos, Bytes: bytes, Reason: why.Error()}); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) batch(l *logFolder, segment int64, c *cursor) error {
	h := &c.header
	if f := &d.o.Filter; f.before(h.LastOffset()) || f.after(h.BaseOffset) {
		return nil
	}
	if d.shows(PartBatches) {
		if err := d.out(batchItem(l.place(), segment, c)); err != nil {
			return err
		}
	}
	if !d.shows(PartRecords) || !c.valid {
		return nil
	}
	b, err := c.batch(d.buf)
	if err != nil {
		return err
	}
	if b == nil {
		return d.out(DamageItem{Place: l.place(), Segment: segment, Position: c.pos, Bytes: int64(h.Size()), Reason: "the batch is too large to be opened"})
	}
	d.buf = b
	var dec batch.Decoder
	_, records, err := dec.Open(b, whatever)
	if err != nil {
		return d.badRecords(l, segment, c, err)
	}
	for r, err := range records {
		if err != nil {
			return d.badRecords(l, segment, c, err)
		}
		if f := &d.o.Filter; f.before(r.Offset) || f.after(r.Offset) {
			continue
		}
		if err := d.out(d.record(l, h, &r)); err != nil {
			return err
		}
	}
	return nil
}

func (d *dumper) badRecords(l *logFolder, segment int64, c *cursor, err error) error {
	return d.out(DamageItem{Place: l.place(), Segment: segment, Position: c.pos, Bytes: int64(c.header.Size()), Reason: "its records cannot be read: " + err.Error()})
}

func timestampType(h *batch.Header) string {
	if h.LogAppendTime() {
		return "LogAppendTime"
	}
	return "CreateTime"
}

func batchItem(place Place, segment int64, c *cursor) BatchItem {
	h := &c.header
	item := BatchItem{
		Place: place, Segment: segment, Position: c.pos, Size: h.Size(), BaseOffset: h.BaseOffset, LastOffset: h.LastOffset(),
		Count: h.NumRecords, LeaderEpoch: h.LeaderEpoch, BaseSequence: h.BaseSequence, LastSequence: h.LastSequence(),
		ProducerID: h.ProducerID, ProducerEpoch: h.ProducerEpoch, Transactional: h.IsTransactional(), Control: h.IsControl(),
		TimestampType: timestampType(h), BaseTimestamp: h.BaseTimestamp, MaxTimestamp: h.MaxTimestamp, Magic: h.Magic,
		Codec: h.Codec().String(), CRC: h.CRC, Valid: c.valid,
	}
	if h.HasDeleteHorizon() {
		item.DeleteHorizon = &h.BaseTimestamp
	}
	return item
}

func (d *dumper) record(l *logFolder, h *batch.Header, r *batch.Record) RecordItem {
	item := RecordItem{
		Place: l.place(), Offset: r.Offset, Timestamp: r.Timestamp, TimestampType: timestampType(h), Sequence: -1,
		KeySize: size(r.Key), ValueSize: size(r.Value), Headers: []RecordHeader{},
		Key: d.o.Format.show(r.Key, d.o.MaxBytes), Value: d.o.Format.show(r.Value, d.o.MaxBytes),
	}
	if h.BaseSequence >= 0 {
		item.Sequence = int32((int64(h.BaseSequence) + r.Offset - h.BaseOffset) & math.MaxInt32)
	}
	for _, x := range r.Headers {
		item.Headers = append(item.Headers, RecordHeader{Key: x.Key, Value: d.o.Format.show(x.Value, d.o.MaxBytes)})
	}
	switch {
	case h.IsControl():
		item.Control, item.CoordinatorEpoch = marker(r)
	case l.topic == offsetsTopic:
		item.Words = groupWords(r.Key, r.Value)
	}
	return item
}

// size is the length of a key or value, -1 for null.
func size(b []byte) int {
	if b == nil {
		return -1
	}
	return len(b)
}

// marker reads a control record: its key is a version and a type, its value a
// version and the epoch of the coordinator (KIP-98).
func marker(r *batch.Record) (name string, coordinator *int32) {
	if len(r.Key) < 4 {
		return "UNKNOWN", nil
	}
	switch binary.BigEndian.Uint16(r.Key[2:]) {
	case 0:
		name = "ABORT"
	case 1:
		name = "COMMIT"
	default:
		return "UNKNOWN", nil
	}
	if len(r.Value) >= 6 {
		epoch := int32(binary.BigEndian.Uint32(r.Value[2:]))
		coordinator = &epoch
	}
	return name, coordinator
}
