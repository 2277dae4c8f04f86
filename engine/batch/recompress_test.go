package batch

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// convertible is a batch with all that must stay as it is.
func convertible(c Codec, n int) []byte {
	b := NewBuilder(BuilderOptions{
		Codec: c, Producer: true, ProducerID: 77, Epoch: 3, Sequence: 1000, Transactional: true, BaseOffset: 5, LeaderEpoch: 9,
	})
	for i := range n {
		var key, value []byte
		if i%3 > 0 {
			key = fmt.Append(nil, "key", i)
		}
		if i%5 > 0 {
			value = bytes.Repeat(fmt.Append(nil, "value", i), 20)
		}
		b.Append(int64(1000-i), key, value, []RecordHeader{{Key: "h", Value: []byte("v")}, {Key: "null"}})
	}
	return b.Build()
}

func recordsOf(t *testing.T, b []byte) (all []Record) {
	t.Helper()
	for r, err := range Records(b, Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestRecompress(t *testing.T) {
	var r Recompressor
	lim := Limits{AllowTransactional: true}
	for from := None; from <= Zstd; from++ {
		raw := convertible(from, 100)
		want := recordsOf(t, raw)
		for to := None; to <= Zstd; to++ {
			levels := []int{3}
			if from == None {
				levels = []int{-131072, -1, 0, 1, 3, 8, 9, 17, 22}
			}
			for _, level := range levels {
				original := bytes.Clone(raw)
				got, err := r.Recompress(raw, Compression{true, to, level}, lim)
				if err != nil {
					t.Fatalf("%s to %s at %d: %v", from, to, level, err)
				}
				if !bytes.Equal(raw, original) {
					t.Fatalf("%s to %s: the batch was changed", from, to)
				}
				if from == to && !bytes.Equal(got, raw) {
					t.Errorf("%s was converted", from)
				}
				h, err := Validate(bytes.Clone(got), lim)
				if err != nil || h.Codec() != to || h.Size() != len(got) {
					t.Fatalf("%s to %s at %d: %+v, %v", from, to, level, h, err)
				}
				if records := recordsOf(t, got); !reflect.DeepEqual(records, want) {
					t.Fatalf("%s to %s at %d: other records", from, to, level)
				}
				before, err := ParseHeader(raw)
				if err != nil {
					t.Fatal(err)
				}
				before.CRC, before.Length, before.Attributes = h.CRC, h.Length, before.Attributes&^codecMask|int16(to)
				if before != h {
					t.Errorf("%s to %s: header %+v, was %+v", from, to, h, before)
				}
			}
		}
	}
}

func TestRecompressLimits(t *testing.T) {
	var r Recompressor
	long := NewBuilder(BuilderOptions{Codec: Zstd})
	long.Append(0, nil, []byte(strings.Repeat("a", 100_000)), nil)
	b := long.Build()
	if _, err := r.Recompress(b, Compression{Convert: true}, Limits{MaxBytes: 50_000}); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("too large when converted: %v", err)
	}
	if _, err := r.Recompress(b, Compression{Convert: true}, Limits{MaxDecompressed: 1000}); !errors.Is(err, kerr.MessageTooLarge) {
		t.Errorf("too large when decompressed: %v", err)
	}
	if _, err := r.Recompress(b[:70], Compression{Convert: true}, Limits{}); !errors.Is(err, kerr.CorruptMessage) {
		t.Errorf("half a batch: %v", err)
	}
	marker := NewMarker(1, 1, Marker{}, 0)
	if got, err := r.Recompress(marker, Compression{true, Zstd, 3}, Limits{}); err != nil || !bytes.Equal(got, marker) {
		t.Errorf("a marker was converted: %v", err)
	}
}

func TestParseCompression(t *testing.T) {
	for name, want := range map[string]Compression{
		"producer": {}, "uncompressed": {true, None, 0}, "gzip": {true, Gzip, 1}, "snappy": {true, Snappy, 0}, "lz4": {true, LZ4, 2}, "zstd": {true, Zstd, 3},
	} {
		if got, err := ParseCompression(name, 1, 2, 3); got != want || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := ParseCompression("brotli", 1, 2, 3); err == nil {
		t.Error("no error")
	}
}

func BenchmarkRecompress(b *testing.B) {
	raw := convertible(None, 100)
	for to := Gzip; to <= Zstd; to++ {
		b.Run(to.String(), func(b *testing.B) {
			var r Recompressor
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Recompress(raw, Compression{true, to, 3}, Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
