package compat

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
)

// content is what a client writes with one codec: plain records to each partition, then everything that a record
// can be. start is the first timestamp.
func content(codec string, partitions int32, start time.Time) []record {
	var out []record
	text := strings.Repeat("a record compresses when it says the same again. ", 4)
	for i := range 5 {
		for p := range partitions {
			out = append(out, record{Partition: p, Timestamp: start.Add(time.Duration(i) * time.Second).UnixMilli(),
				Key: fmt.Appendf(nil, "%s-%d", codec, p), Value: fmt.Appendf(nil, "%s %d %d %s", codec, p, i, text),
				Headers: []header{{"codec", []byte(codec)}}})
		}
	}
	special := []record{
		{Key: nil, Value: []byte("null key")},
		{Key: []byte("tombstone"), Value: nil},
		{Key: []byte{}, Value: []byte{}},
		{Key: []byte{0, 0xff, 0xfe}, Value: []byte{0x80, 0, '\n', 0xc3, 0x28}},
		{Key: []byte("ключ"), Value: []byte("値 – ✓"), Headers: []header{{"héader", []byte("wert")}}},
		{Key: []byte("headers"), Value: []byte("v"), Headers: []header{
			{"twice", []byte("1")}, {"twice", []byte("2")}, {"empty", []byte{}}, {"null", nil}, {"binary", []byte{0, 1, 0xff}}}},
		{Key: []byte("big"), Value: bytes.Repeat([]byte("0123456789abcdef"), 600<<10/16)},
	}
	for i, r := range special {
		r.Partition, r.Timestamp = int32(i)%partitions, start.Add(time.Minute+time.Duration(i)*time.Millisecond).UnixMilli()
		out = append(out, r)
	}
	for i := range 10 {
		out = append(out, record{Partition: -1, Timestamp: start.Add(2 * time.Minute).UnixMilli(), Key: fmt.Appendf(nil, "user-%d", i), Value: []byte("by key")})
	}
	return out
}

// withoutNullHeaders is for clients that cannot write a header with a null value.
func withoutNullHeaders(rs []record) []record {
	for i := range rs {
		rs[i].Headers = slices.DeleteFunc(slices.Clone(rs[i].Headers), func(h header) bool { return h.Value == nil })
	}
	return rs
}

// written fills in where the records went, and checks that each client kept their order and its promises: named
// partitions are kept, keys go where Java's murmur2 sends them, offsets go up one by one from next on.
func written(t *testing.T, sent []record, where []placed, partitions int32, next map[int32]int64) []record {
	t.Helper()
	if len(sent) != len(where) {
		t.Fatalf("%d records sent, %d placed", len(sent), len(where))
	}
	byKey := byHandOrKey().ForTopic("")
	out := slices.Clone(sent)
	for i := range out {
		want := byKey.Partition(&kgo.Record{Partition: sent[i].Partition, Key: sent[i].Key}, int(partitions))
		if where[i].Partition != int32(want) {
			t.Errorf("record %d with key %q went to partition %d, not %d", i, sent[i].Key, where[i].Partition, want)
		}
		out[i].Partition, out[i].Offset = where[i].Partition, where[i].Offset
		if where[i].Offset != next[out[i].Partition] {
			t.Errorf("record %d has offset %d in partition %d; want %d", i, out[i].Offset, out[i].Partition, next[out[i].Partition])
		}
		next[out[i].Partition] = out[i].Offset + 1
	}
	return out
}

// ordered sorts by partition, and keeps the order within each: records of one partition must have come in order.
func ordered(rs []record) []record {
	out := slices.Clone(rs)
	slices.SortStableFunc(out, func(a, b record) int { return int(a.Partition - b.Partition) })
	return out
}

// same compares what was read with what was written, as exactly as bytes can be: partition, offset, order,
// timestamp, key, value, headers.
func same(t *testing.T, what string, got, want []record) {
	t.Helper()
	got, want = ordered(got), ordered(want)
	if len(got) != len(want) {
		t.Errorf("%s: read %d records of %d", what, len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		if len(g.Headers) == 0 && len(w.Headers) == 0 {
			g.Headers, w.Headers = nil, nil
		}
		if d := cmp.Diff(short(w), short(g)); d != "" || !bytes.Equal(g.Value, w.Value) {
			t.Fatalf("%s: record %d of partition %d (−written +read):\n%s", what, w.Offset, w.Partition, d)
		}
	}
}

// short cuts a long value, so that a difference can be read.
func short(r record) record {
	if len(r.Value) > 300 {
		r.Value = append(slices.Clone(r.Value[:100]), fmt.Sprintf("... %d bytes", len(r.Value))...)
	}
	return r
}

// starts is offset 0 of each partition.
func starts(partitions int32) map[int32]int64 {
	at := map[int32]int64{}
	for p := range partitions {
		at[p] = 0
	}
	return at
}

// firstSince is what a look-up by timestamp must find in each partition.
func firstSince(rs []record, ts int64) map[int32]int64 {
	found := map[int32]int64{}
	for _, r := range rs {
		if o, ok := found[r.Partition]; r.Timestamp >= ts && (!ok || r.Offset < o) {
			found[r.Partition] = r.Offset
		}
	}
	return found
}

// since is the part of the records from these offsets on.
func since(rs []record, from map[int32]int64) []record {
	var out []record
	for _, r := range rs {
		if o, ok := from[r.Partition]; ok && r.Offset >= o {
			out = append(out, r)
		}
	}
	return out
}
