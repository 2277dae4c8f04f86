package storage

import (
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

func TestProducers(t *testing.T) {
	type try struct {
		epoch    int16
		sequence int32
		n        int
		err      *kerr.Error
		first    int64 // of the answer
		again    bool  // a duplicate
	}
	ok := func(epoch int16, sequence int32, n int, first int64) try {
		return try{epoch, sequence, n, nil, first, false}
	}
	again := func(epoch int16, sequence int32, n int, first int64) try {
		return try{epoch, sequence, n, nil, first, true}
	}
	bad := func(epoch int16, sequence int32, n int, err *kerr.Error) try {
		return try{epoch, sequence, n, err, 0, false}
	}
	tests := map[string][]try{
		"in order":              {ok(0, 0, 2, 0), ok(0, 2, 1, 2), ok(0, 3, 3, 3)},
		"unknown, any sequence": {ok(4, 17, 1, 0), ok(4, 18, 1, 1)},
		"a gap":                 {ok(0, 0, 2, 0), bad(0, 3, 1, kerr.OutOfOrderSequenceNumber), ok(0, 2, 1, 2)},
		"again":                 {ok(0, 0, 2, 0), again(0, 0, 2, 0), ok(0, 2, 1, 2), again(0, 0, 2, 0), again(0, 2, 1, 2)},
		"half of it again":      {ok(0, 0, 2, 0), bad(0, 0, 1, kerr.OutOfOrderSequenceNumber), bad(0, 1, 1, kerr.OutOfOrderSequenceNumber)},
		"the fifth last and the sixth last again": {
			ok(0, 0, 1, 0), ok(0, 1, 1, 1), ok(0, 2, 1, 2), ok(0, 3, 1, 3), ok(0, 4, 1, 4), ok(0, 5, 1, 5),
			again(0, 1, 1, 1), bad(0, 0, 1, kerr.OutOfOrderSequenceNumber),
		},
		"newer epoch":           {ok(0, 0, 2, 0), ok(1, 0, 1, 2), bad(0, 2, 1, kerr.InvalidProducerEpoch), ok(1, 1, 1, 3)},
		"newer epoch, not at 0": {ok(0, 0, 2, 0), bad(1, 2, 1, kerr.OutOfOrderSequenceNumber)},
		"wraps": {
			ok(0, math.MaxInt32-1, 2, 0), ok(0, 0, 1, 2), again(0, math.MaxInt32-1, 2, 0), ok(0, 1, 1, 3),
		},
		"wraps within a batch": {ok(0, math.MaxInt32-1, 4, 0), ok(0, 2, 1, 4)},
	}
	for name, tries := range tests {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			l, _ := mustOpen(t, testOptions(fs))
			for i, x := range tries {
				end := l.End()
				a, err := l.Append(producerBatchOf(42, x.epoch, x.sequence, x.n), AppendOptions{Now: testNow})
				if x.err != nil {
					if !isKafka(err, x.err) || l.End() != end {
						t.Fatalf("%d: error %v, want %v; the log ends at %d", i, err, x.err, l.End())
					}
					continue
				}
				if err != nil || a.First != x.first || a.Last != x.first+int64(x.n)-1 || a.Duplicate != x.again || a.Records != x.n {
					t.Fatalf("%d: appended %+v, %v", i, a, err)
				}
				if x.again != (l.End() == end) {
					t.Fatalf("%d: the log ends at %d", i, l.End())
				}
			}
		})
	}
}

func TestProducersSurvive(t *testing.T) {
	for _, how := range []string{"clean", "killed", "killed, no snapshot"} {
		t.Run(how, func(t *testing.T) {
			fs := vfs.NewMem()
			o := testOptions(fs)
			l, _ := mustOpen(t, o)
			for i := range int32(60) {
				mustAppend(t, l, producerBatchOf(7, 2, i*3, 3))
			}
			o.Clean = how == "clean"
			if err := l.Close(o.Clean); err != nil {
				t.Fatal(err)
			}
			if how == "killed, no snapshot" {
				names, err := fs.List(testDir)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range names {
					if _, suffix, ok := parseName(name); ok && suffix == snapshotSuffix {
						if err := fs.Remove(testDir + "/" + name); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			l, _ = mustOpen(t, o)
			for i := int32(55); i < 60; i++ {
				if a := mustAppend(t, l, producerBatchOf(7, 2, i*3, 3)); !a.Duplicate || a.First != int64(i)*3 {
					t.Errorf("batch %d again: %+v", i, a)
				}
			}
			if _, err := l.Append(producerBatchOf(7, 1, 180, 1), AppendOptions{Now: testNow}); !isKafka(err, kerr.InvalidProducerEpoch) {
				t.Errorf("old epoch: %v", err)
			}
			if a := mustAppend(t, l, producerBatchOf(7, 2, 180, 1)); a.Duplicate || a.First != 180 {
				t.Errorf("the next: %+v", a)
			}
		})
	}
}

func TestProducersExpire(t *testing.T) {
	o := testOptions(vfs.NewMem())
	o.ProducerExpiration = time.Hour
	o.MaxProducers = 10
	l, _ := mustOpen(t, o)
	for id := range int64(12) {
		if _, err := l.Append(producerBatchOf(id, 0, 0, 1), AppendOptions{Now: testNow.Add(time.Duration(id) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.Producers()); n > 10 {
		t.Errorf("%d producers", n)
	}
	if _, err := l.Retain(testNow.Add(66*time.Minute), 0); err != nil {
		t.Fatal(err)
	}
	for _, p := range l.Producers() {
		if p.ID <= 6 {
			t.Errorf("producer %d is remembered", p.ID)
		}
	}
	// As Kafka 4: of whom nothing is known may go on where it was.
	if _, err := l.Append(producerBatchOf(0, 0, 1, 1), AppendOptions{Now: testNow}); err != nil {
		t.Error(err)
	}
}

func TestOrigins(t *testing.T) {
	l, _ := mustOpen(t, testOptions(vfs.NewMem()))
	mustAppend(t, l, producerBatchOf(1, 3, 0, 1))
	if _, err := l.Append(producerBatchOf(1, 3, 9, 1), AppendOptions{Now: testNow, Origin: FromCoordinator}); err != nil {
		t.Errorf("a coordinator's sequence is checked: %v", err)
	}
	if _, err := l.Append(producerBatchOf(1, 2, 0, 1), AppendOptions{Now: testNow, Origin: FromCoordinator}); !isKafka(err, kerr.InvalidProducerEpoch) {
		t.Errorf("a coordinator's epoch is not checked: %v", err)
	}
	copied := newBatch("copy", 3, 0)
	batch.SetBaseOffset(copied, 10)
	batch.SetLeaderEpoch(copied, 8)
	a, err := l.Append(copied, AppendOptions{LeaderEpoch: 1, Now: testNow, Origin: FromLeader})
	if err != nil || a.First != 10 || a.Last != 12 || l.LatestEpoch() != 8 {
		t.Errorf("a leader's batch: %+v, %v, epoch %d", a, err, l.LatestEpoch())
	}
	if _, err := l.Append(copied, AppendOptions{Now: testNow, Origin: FromLeader}); !isKafka(err, kerr.CorruptMessage) {
		t.Errorf("a leader's batch again: %v", err)
	}
}

func FuzzSnapshot(f *testing.F) {
	p := newProducers(time.Hour, 10)
	f.Add(p.encode(0))
	h, err := batch.ParseHeader(producerBatchOf(3, 1, 5, 2))
	if err != nil {
		f.Fatal(err)
	}
	for range 7 {
		p.update(&h, nil, testNow)
	}
	f.Add(p.encode(77))
	h.Attributes |= 0x10 // transactional
	p.update(&h, nil, testNow)
	f.Add(p.encode(78))
	p.update(&h, &batch.Marker{CoordinatorEpoch: 4}, testNow)
	f.Add(p.encode(79))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := newProducers(time.Hour, 10)
		at, err := p.decode(b)
		if err != nil {
			// Past the CRC: the decoder must stand anything.
			if len(b) >= snapshotHeaderSize {
				sealSnapshot(b)
				if at, err = p.decode(b); err != nil {
					return
				}
			} else {
				return
			}
		}
		q := newProducers(time.Hour, 10)
		if _, err := q.decode(p.encode(at)); err != nil {
			t.Fatalf("decoded, encoded and not decoded: %v", err)
		}
	})
}
