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
		length, n := varint(body)
		if n == 0 || length < minEncodedRecord-1 || int64(length) > int64(len(body)-n) {
			return w, corruptRecord(i, "its length does not fit the batch")
		}
		rec := body[n : n+int(length)]
		body = body[n+int(length):]

		pos := 1 // the attributes of a record are unused
		tsDelta, n := varlong(rec[pos:])
		pos += n
		offsetDelta, m := varint(rec[pos:])
		pos += m
		if n == 0 || m == 0 {
			return w, corruptRecord(i, "its timestamp or offset is not a number")
		}
		keyLen, ok := int32(-1), true
		if keyLen, pos, ok = skipField(rec, pos); !ok {
			return w, corruptRecord(i, "its key does not fit")
		}
		if _, pos, ok = skipField(rec, pos); !ok {
			return w, corruptRecord(i, "its value does not fit")
		}
		if pos, ok = skipHeaders(rec, pos); !ok || pos != len(rec) {
			return w, corruptRecord(i, "its headers do not fit")
		}

		if offsetDelta != i && (!lim.Stored || offsetDelta <= previous || offsetDelta > h.LastOffsetDelta) {
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

func corruptRecord(i int32, what string) error {
	return fmt.Errorf("%w: record %d of the batch: %s", kerr.InvalidRecord, i, what)
}

// skipField steps over a length and so many bytes. A length of -1 is null.
func skipField(b []byte, pos int) (length int32, next int, ok bool) {
	length, n := varint(b[pos:])
	pos += n
	if n == 0 || length < -1 {
		return 0, pos, false
	}
	if length > 0 {
		if int(length) > len(b)-pos {
			return 0, pos, false
		}
		pos += int(length)
	}
	return length, pos, true
}

// skipHeaders steps over the headers of a record.
func skipHeaders(b []byte, pos int) (next int, ok bool) {
	count, n := varint(b[pos:])
	pos += n
	// Each header takes two bytes at least.
	if n == 0 || count < 0 || int64(count)*2 > int64(len(b)-pos) {
		return pos, false
	}
	for range count {
		var length int32
		if length, pos, ok = skipField(b, pos); !ok || length < 0 {
			return pos, false
		}
		if _, pos, ok = skipField(b, pos); !ok {
			return pos, false
		}
	}
	return pos, true
}

// varint reads a zigzag varint of 32 bits; n is 0 if b holds none.
func varint(b []byte) (v int32, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		u := uint32(b[0])
		return int32(u>>1) ^ -int32(u&1), 1
	}
	return varintSlow(b)
}

func varintSlow(b []byte) (int32, int) {
	u, n := binary.Uvarint(b)
	if n <= 0 || n > binary.MaxVarintLen32 || u > 1<<32-1 {
		return 0, 0
	}
	return int32(uint32(u)>>1) ^ -int32(u&1), n
}

// varlong reads a zigzag varint of 64 bits; n is 0 if b holds none.
func varlong(b []byte) (v int64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		u := uint64(b[0])
		return int64(u>>1) ^ -int64(u&1), 1
	}
	u, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, 0
	}
	return int64(u>>1) ^ -int64(u&1), n
}
