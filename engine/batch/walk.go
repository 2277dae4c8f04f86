package batch

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// walked is what a walk over the records of a batch found out.
type walked struct {
	maxTimestamp int64
}

// walk checks every record in body, which is decompressed, against the header
// and the limits, without an allocation for each record.
func walk(h *Header, body []byte, lim *Limits) (walked, error) {
	w := walked{maxTimestamp: noTimestamp}
	earliest, latest := lim.window()
	logAppendTime := h.LogAppendTime()
	previous := int32(-1)
	for i := range h.NumRecords {
		length, at := varint(body, 0)
		if at < 0 || length < minEncodedRecord-1 || int(length) > len(body)-at {
			return w, corruptRecord(i, "its length does not fit the batch")
		}
		rec := body[at : at+int(length)]
		body = body[at+int(length):]

		tsDelta, offsetDelta, keyLen, fault := walkRecord(rec)
		if fault != "" {
			return w, corruptRecord(i, fault)
		}
		if offsetDelta != i && !lim.Stored || offsetDelta <= previous || offsetDelta > h.LastOffsetDelta {
			return w, fmt.Errorf("%w: record %d of the batch has the offset delta %d", kerr.InvalidRecord, i, offsetDelta)
		}
		previous = offsetDelta
		if keyLen < 0 && lim.RequireKeys {
			return w, fmt.Errorf("%w: record %d has no key, and the topic is compacted", kerr.InvalidRecord, i)
		}
		ts := h.BaseTimestamp + tsDelta
		if logAppendTime {
			ts = h.MaxTimestamp
		}
		if ts > w.maxTimestamp {
			w.maxTimestamp = ts
		}
		if lim.CheckTimestamps && ts != noTimestamp && (ts < earliest || ts > latest) {
			return w, fmt.Errorf("%w: timestamp %d of record %d is not between %d and %d", kerr.InvalidTimestamp, ts, i, earliest, latest)
		}
	}
	if len(body) != 0 {
		return w, fmt.Errorf("%w: %d bytes follow the %d records of the batch", kerr.InvalidRecord, len(body), h.NumRecords)
	}
	return w, nil
}

// walkRecord checks the fields of one record, without its length; fault is what
// is wrong with it, if anything is.
func walkRecord(rec []byte) (tsDelta int64, offsetDelta, keyLen int32, fault string) {
	tsDelta, at := varlong(rec, 1) // behind the attributes, which are unused
	offsetDelta, at = varint(rec, at)
	if at < 0 {
		return 0, 0, 0, "its timestamp or offset is not a number"
	}
	if keyLen, at = skipField(rec, at); at < 0 {
		return 0, 0, 0, "its key does not fit"
	}
	if _, at = skipField(rec, at); at < 0 {
		return 0, 0, 0, "its value does not fit"
	}
	if len(rec)-at == 1 && rec[at] == 0 { // most have no headers
		return tsDelta, offsetDelta, keyLen, ""
	}
	if skipHeaders(rec, at) != len(rec) {
		return 0, 0, 0, "its headers do not fit"
	}
	return tsDelta, offsetDelta, keyLen, ""
}

func corruptRecord(i int32, what string) error {
	return fmt.Errorf("%w: record %d of the batch: %s", kerr.InvalidRecord, i, what)
}

// skipField steps over a length and so many bytes. A length of -1 is null. next
// is -1 if they do not fit.
func skipField(b []byte, at int) (length int32, next int) {
	length, at = varint(b, at)
	switch {
	case at < 0 || length < -1 || int(length) > len(b)-at:
		return 0, -1
	case length < 0:
		return length, at
	}
	return length, at + int(length)
}

// skipHeaders steps over the headers of a record. next is -1 if they do not fit.
func skipHeaders(b []byte, at int) (next int) {
	count, at := varint(b, at)
	// Each header takes two bytes at least.
	if at < 0 || count < 0 || int64(count)*2 > int64(len(b)-at) {
		return -1
	}
	for range count {
		var length int32
		if length, at = skipField(b, at); at < 0 || length < 0 {
			return -1
		}
		if _, at = skipField(b, at); at < 0 {
			return -1
		}
	}
	return at
}

// varint reads a zigzag varint of 32 bits at a place in b. next is -1 if there
// is none, or if at was -1 already.
func varint(b []byte, at int) (v int32, next int) {
	if uint(at) < uint(len(b)) && b[at] < 0x80 {
		return int32(b[at]>>1) ^ -int32(b[at]&1), at + 1
	}
	return longVarint(b, at)
}

// longVarint reads one that may take more than a byte; two are the most
// frequent.
func longVarint(b []byte, at int) (int32, int) {
	if at >= 0 && at+1 < len(b) && b[at] >= 0x80 && b[at+1] < 0x80 {
		u := uint32(b[at]&0x7f) | uint32(b[at+1])<<7
		return int32(u>>1) ^ -int32(u&1), at + 2
	}
	u, next := uvarint(b, at)
	if next-at > binary.MaxVarintLen32 || u > 1<<32-1 {
		return 0, -1
	}
	return int32(uint32(u)>>1) ^ -int32(u&1), next
}

// varlong reads a zigzag varint of 64 bits, as varint does.
func varlong(b []byte, at int) (v int64, next int) {
	u, next := uvarint(b, at)
	return int64(u>>1) ^ -int64(u&1), next
}

// uvarint reads a varint.
func uvarint(b []byte, at int) (u uint64, next int) {
	if at < 0 || at >= len(b) {
		return 0, -1
	}
	if b[at] < 0x80 {
		return uint64(b[at]), at + 1
	}
	if at+1 < len(b) && b[at+1] < 0x80 {
		return uint64(b[at]&0x7f) | uint64(b[at+1])<<7, at + 2
	}
	u, n := binary.Uvarint(b[at:])
	if n <= 0 {
		return 0, -1
	}
	return u, at + n
}
