package batch

import "math"

// FilterOptions say what Filter leaves of a batch.
type FilterOptions struct {
	// Keep is asked of each record; the record is valid during the call only.
	Keep func(*Record) bool
	// KeepEmpty leaves a header without records where no record is kept: it
	// still says which offsets and sequences there were.
	KeepEmpty bool
	// Horizon is when tombstones may be dropped, in milliseconds since 1970,
	// for a batch that is left with some and says nothing yet; -1: leave it so.
	Horizon int64
	// Expire sets the horizon of a batch without tombstones, too: that of a
	// marker whose transaction has no records left (KIP-534).
	Expire bool
}

// Filter appends to dst what is left of the one batch in b, which must be whole
// and right: nothing, the same bytes, or a batch that has fewer records but the
// same offsets, codec, producer, epoch and sequence. It returns how many records
// are kept. d's memory is used.
func Filter(dst, b []byte, d *Decoder, o FilterOptions) (out []byte, kept int, err error) {
	// What is in the log was within the limits of its day.
	lim := Limits{Stored: true, MaxDecompressed: math.MaxInt32, MaxRatio: math.MaxInt32}
	h, records, err := d.Open(b, lim)
	if err != nil {
		return dst, 0, err
	}
	tombstones := false
	f := filtered{header: h, horizon: noTimestamp, enc: &d.enc}
	for r, err := range records {
		if err != nil {
			return dst, 0, err
		}
		if o.Keep(&r) {
			f.keep = append(f.keep, r)
			tombstones = tombstones || r.Value == nil
		}
	}
	if h.HasDeleteHorizon() {
		f.horizon = h.BaseTimestamp
	} else if tombstones && !h.IsControl() || o.Expire && len(f.keep) > 0 {
		f.horizon = o.Horizon
	}
	switch {
	case len(f.keep) == 0 && !o.KeepEmpty:
		return dst, 0, nil
	case len(f.keep) == 0:
		return f.appendEmpty(dst), 0, nil
	case len(f.keep) == int(h.NumRecords) && (f.horizon == noTimestamp || h.HasDeleteHorizon()):
		return append(dst, b[:h.Size()]...), len(f.keep), nil
	}
	return f.append(dst), len(f.keep), nil
}

// filtered is what is left of a batch.
type filtered struct {
	header  Header
	keep    []Record
	horizon int64
	enc     *encoder
}

// append appends the batch with the records that are kept.
func (f *filtered) append(dst []byte) []byte {
	h := f.header
	b := &Builder{header: h, body: make([]byte, HeaderSize, 4096), enc: f.enc}
	b.header.NumRecords = 0
	b.header.MaxTimestamp = noTimestamp
	if f.horizon != noTimestamp {
		b.horizon = true
		b.header.BaseTimestamp = f.horizon
		b.header.Attributes |= deleteHorizonBit
	}
	for i := range f.keep {
		r := &f.keep[i]
		b.appendAt(int32(r.Offset-h.BaseOffset), r.Timestamp, r.Key, r.Value, r.Headers)
	}
	b.header.LastOffsetDelta = h.LastOffsetDelta
	if h.LogAppendTime() {
		b.header.MaxTimestamp = h.MaxTimestamp
	}
	return append(dst, b.Build()...)
}

// appendEmpty appends a header without records.
func (f *filtered) appendEmpty(dst []byte) []byte {
	h := f.header
	h.Attributes &^= codecMask | deleteHorizonBit | logAppendTimeBit
	return appendBare(dst, h)
}

// AppendEmpty appends to dst a batch without records that takes the place of
// the offsets first to last: readers step over it.
func AppendEmpty(dst []byte, first, last int64, leaderEpoch int32) []byte {
	return appendBare(dst, Header{
		BaseOffset:      first,
		LeaderEpoch:     leaderEpoch,
		Magic:           Magic,
		LastOffsetDelta: int32(last - first),
		ProducerID:      noProducerID,
		ProducerEpoch:   noProducerEpoch,
		BaseSequence:    noSequence,
	})
}

// appendBare appends a header as a whole batch.
func appendBare(dst []byte, h Header) []byte {
	h.NumRecords = 0
	h.BaseTimestamp, h.MaxTimestamp = noTimestamp, noTimestamp
	h.Length = HeaderSize - lengthPrefix
	n := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	h.encode(dst[n:])
	seal(dst[n:])
	return dst
}
