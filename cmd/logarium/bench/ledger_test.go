package bench

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

func value(run uint64, seq uint64) (*kgo.Record, stamp, uint32) {
	v := make([]byte, stampSize+8)
	s := stamp{run: run, producer: 0, partition: 1, sequence: seq, due: int64(seq)}
	sum := s.put(v)
	return &kgo.Record{Value: v, Partition: 1}, s, sum
}

// The verifier must notice each kind of fault, and nothing else.
func TestVerifier(t *testing.T) {
	const run = 7
	tests := []struct {
		name  string
		acked []uint64
		read  []uint64
		spoil func(i int, r *kgo.Record)
		want  Verdict
	}{
		{"as written", []uint64{0, 1, 2, 3}, []uint64{0, 1, 2, 3}, nil, Verdict{OK: true, Acked: 4, Consumed: 4, Checksum: true}},
		{"there without an answer", []uint64{0, 1}, []uint64{0, 1, 2}, nil, Verdict{OK: true, Acked: 2, Consumed: 3, Unacked: 1, Checksum: true}},
		{"lost", []uint64{0, 1, 2}, []uint64{0, 2}, nil, Verdict{Acked: 3, Consumed: 2, Lost: 1, Checksum: true}},
		{"lost at the end", []uint64{0, 1, 2}, []uint64{0, 1}, nil, Verdict{Acked: 3, Consumed: 2, Lost: 1, Checksum: true}},
		{"twice", []uint64{0, 1}, []uint64{0, 1, 1}, nil, Verdict{Acked: 2, Consumed: 2, Duplicates: 1, Checksum: true}},
		{"out of order", []uint64{0, 1, 2}, []uint64{0, 2, 1}, nil, Verdict{Acked: 3, Consumed: 3, Disordered: 1, Checksum: true}},
		{"a bit turned", []uint64{0, 1}, []uint64{0, 1}, func(i int, r *kgo.Record) { r.Value[stampSize] ^= byte(i) },
			Verdict{Acked: 2, Consumed: 1, Lost: 1, Corrupt: 1, Checksum: true}},
		{"in another partition", []uint64{0}, []uint64{0}, func(_ int, r *kgo.Record) { r.Partition = 0 },
			Verdict{Acked: 1, Lost: 1, Corrupt: 1, Checksum: true}},
		{"other content with a right checksum", []uint64{0}, []uint64{0}, func(_ int, r *kgo.Record) {
			stamp{run: run, partition: 1, due: 99}.put(r.Value)
		}, Verdict{Acked: 1, Consumed: 1}},
		{"of another run", []uint64{0}, []uint64{0, 5}, func(i int, r *kgo.Record) {
			if i == 1 {
				stamp{run: run + 1, partition: 1, sequence: 5}.put(r.Value)
			}
		}, Verdict{OK: true, Acked: 1, Consumed: 1, Foreign: 1, Checksum: true}},
		{"of nobody", nil, []uint64{0}, func(_ int, r *kgo.Record) { r.Value = []byte("hello") }, Verdict{OK: true, Foreign: 1, Checksum: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			led := newLedger(run, 1, 2)
			for _, seq := range tt.acked {
				_, s, sum := value(run, seq)
				led.ack(s, sum)
			}
			v := newVerifier(led)
			for i, seq := range tt.read {
				r, _, _ := value(run, seq)
				if tt.spoil != nil {
					tt.spoil(i, r)
				}
				v.record(r)
			}
			got := v.finish()
			if got != tt.want {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
			if (got.err() == nil) != got.OK {
				t.Errorf("err %v for %+v", got.err(), got)
			}
		})
	}
}

// A record may be read before its answer comes: it counts as acknowledged all the same.
func TestVerifierReadsAheadOfAcks(t *testing.T) {
	led := newLedger(1, 1, 2)
	v := newVerifier(led)
	r, s, sum := value(1, 0)
	v.record(r)
	led.ack(s, sum)
	if got := v.finish(); !got.OK || got.Acked != 1 || got.Unacked != 0 {
		t.Errorf("%+v", got)
	}
}

func TestAuditor(t *testing.T) {
	a := &auditor{next: map[laneID]uint64{}}
	for _, seq := range []uint64{3, 4, 7, 6, 8} {
		r, _, _ := value(1, seq)
		a.record(r)
	}
	r, _, _ := value(1, 9)
	r.Value[stampSize] ^= 1
	a.record(r)
	a.record(&kgo.Record{Value: []byte("x")})
	want := Audit{Gaps: 2, Disordered: 1, Corrupt: 1, Foreign: 1}
	if a.Audit != want || a.records != 7 {
		t.Errorf("got %+v (%d records), want %+v", a.Audit, a.records, want)
	}
}

func FuzzParseStamp(f *testing.F) {
	r, _, _ := value(1, 2)
	f.Add(r.Value)
	f.Add([]byte("lgmb"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, sum, mine, intact := parseStamp(b)
		if !mine || !intact {
			return
		}
		again := make([]byte, len(b))
		copy(again, b)
		if s.put(again) != sum || string(again) != string(b) {
			t.Errorf("put does not give back what was parsed: %x, %x", again, b)
		}
	})
}
