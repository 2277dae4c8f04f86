package storage

import (
	"errors"
	"math"

	"github.com/logarium/logarium/engine/batch"
)

// stored is what a batch in a log may be like.
var stored = batch.Limits{Stored: true, AllowControl: true, AllowTransactional: true}

// OffsetForTime finds the earliest record at or after Start whose timestamp is
// at least ts, in milliseconds since 1970; offset -1 if there is none. epoch is
// that of the leader that appended it.
func (l *Log) OffsetForTime(ts int64) (offset, timestamp int64, epoch int32, err error) {
	return l.search(func(v *view, start int64) (place, error) {
		for _, s := range v.segments {
			if s.end.Load() <= start || s.maxTimestamp.Load() < ts {
				continue
			}
			if p, err := l.searchSegment(s, ts, start); err != nil || p.offset >= 0 {
				return p, err
			}
		}
		return nowhere, nil
	})
}

// MaxTimestamp finds the first record with the largest timestamp; offset -1 if
// there is none.
func (l *Log) MaxTimestamp() (offset, timestamp int64, epoch int32, err error) {
	return l.search(func(v *view, start int64) (place, error) {
		most := int64(-1)
		for _, s := range v.segments {
			if s.end.Load() > start {
				most = max(most, s.maxTimestamp.Load())
			}
		}
		for _, s := range v.segments {
			if most < 0 || s.end.Load() <= start || s.maxTimestamp.Load() < most {
				continue
			}
			if p, err := l.searchSegment(s, most, start); err != nil || p.offset >= 0 {
				return p, err
			}
		}
		return nowhere, nil
	})
}

// place is a record found.
type place struct {
	offset, timestamp int64
	epoch             int32
}

var nowhere = place{-1, -1, -1}

// search looks for a record.
func (l *Log) search(look func(*view, int64) (place, error)) (offset, timestamp int64, epoch int32, err error) {
	var p place
	err = l.stable(func(v *view) (err error) {
		p, err = look(v, l.start.Load())
		return err
	})
	return p.offset, p.timestamp, p.epoch, err
}

// stable looks at the segments, and once more if they changed meanwhile.
func (l *Log) stable(look func(*view) error) error {
	for {
		generation, v := l.generation.Load(), l.view.Load()
		err := look(v)
		if generation&1 != 0 || l.generation.Load() != generation {
			l.changed(v)
			continue
		}
		if errors.Is(err, errGone) {
			if l.changed(v) {
				continue
			}
			err = l.gone()
		}
		if err != nil {
			l.damage.report(l, err)
		}
		return err
	}
}

// searchSegment finds the first record of a segment, at or after start, whose
// timestamp is at least ts.
func (l *Log) searchSegment(s *segment, ts, start int64) (_ place, err error) {
	h, err := s.open()
	if err != nil {
		return nowhere, readError(s, err)
	}
	defer func() { l.warn("closing a file", h.release()) }()
	x, err := s.loaded(h, l.Config().IndexIntervalBytes)
	if err != nil {
		return nowhere, readError(s, err)
	}
	sc := newScanner(h.file, x.before(ts), s.size.Load())
	defer sc.close()
	var d batch.Decoder
	for sc.next() {
		if sc.header.MaxTimestamp < ts || sc.header.LastOffset() < start {
			continue
		}
		b := make([]byte, sc.header.Size())
		if err := readFull(h.file, b, sc.pos); err != nil {
			return nowhere, readError(s, err)
		}
		if !batch.CheckCRC(b) {
			if err := s.readAgain(h, b, sc.pos); err != nil {
				return nowhere, err
			}
		}
		p, err := searchBatch(&d, b, ts, start)
		if err != nil {
			return nowhere, badFile(s, sc.pos, err.Error())
		}
		if p.offset >= 0 {
			return p, nil
		}
	}
	if sc.err != nil {
		return nowhere, readError(s, sc.err)
	}
	return nowhere, nil
}

// searchBatch finds the first record of a batch.
func searchBatch(d *batch.Decoder, b []byte, ts, start int64) (place, error) {
	lim := stored
	lim.MaxDecompressed = math.MaxInt32
	lim.MaxRatio = math.MaxInt32
	h, records, err := d.Open(b, lim)
	if err != nil {
		return nowhere, err
	}
	for r, err := range records {
		if err != nil {
			return nowhere, err
		}
		if r.Timestamp >= ts && r.Offset >= start {
			return place{r.Offset, r.Timestamp, h.LeaderEpoch}, nil
		}
	}
	return nowhere, nil
}
