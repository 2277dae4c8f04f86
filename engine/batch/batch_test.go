package batch

import (
	"bytes"
	"fmt"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	for c := None; c <= Zstd; c++ {
		for _, n := range []int{1, 3, 1000} {
			t.Run(fmt.Sprint(c, n), func(t *testing.T) {
				b := NewBuilder(BuilderOptions{Codec: c, Producer: true, ProducerID: 7, Epoch: 2, Sequence: 5})
				for i := range n {
					b.Append(int64(1000+i), fmt.Appendf(nil, "k%d", i), bytes.Repeat([]byte("abcdef"), i%20), []RecordHeader{{"h", nil}, {"", []byte("v")}})
				}
				raw := b.Build()
				h, err := Validate(raw, Limits{RequireKeys: true})
				if err != nil {
					t.Fatal(err)
				}
				if int(h.NumRecords) != n || h.MaxTimestamp != int64(999+n) || h.Codec() != c || h.LastSequence() != int32(4+n) {
					t.Errorf("header %+v", h)
				}
				i := 0
				for r, err := range Records(raw, Limits{}) {
					if err != nil {
						t.Fatal(err)
					}
					if r.Offset != int64(i) || r.Timestamp != int64(1000+i) || string(r.Key) != fmt.Sprintf("k%d", i) || len(r.Value) != 6*(i%20) || r.Value == nil || len(r.Headers) != 2 || r.Headers[0].Value != nil {
						t.Fatalf("record %d is %+v", i, r)
					}
					i++
				}
				if i != n {
					t.Errorf("%d records", i)
				}
			})
		}
	}
}
