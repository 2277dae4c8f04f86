package storage

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// txnBatch is a batch of n records of a transaction.
func txnBatch(id int64, epoch int16, sequence int32, n int) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{Producer: true, ProducerID: id, Epoch: epoch, Sequence: sequence, Transactional: true})
	for i := range n {
		b.Append(testNow.UnixMilli(), fmt.Appendf(nil, "k%d", i), fmt.Appendf(nil, "%d/%d", id, int(sequence)+i), nil)
	}
	return b.Build()
}

// endTxn appends a marker, as the coordinator does.
func endTxn(t *testing.T, l *Log, id int64, epoch int16, commit bool) {
	t.Helper()
	b := batch.NewMarker(id, epoch, batch.Marker{Commit: commit, CoordinatorEpoch: 1}, testNow.UnixMilli())
	if _, err := l.Append(b, AppendOptions{Now: testNow, Origin: FromCoordinator}); err != nil {
		t.Fatal(err)
	}
}

func mustAborted(t *testing.T, l *Log, from, upTo int64) []AbortedTxn {
	t.Helper()
	got, err := l.Aborted(from, upTo)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestLastStable(t *testing.T) {
	l, _ := mustOpen(t, testOptions(vfs.NewMem()))
	stable := func(hw, want int64) {
		t.Helper()
		if got := l.LastStable(hw); got != want {
			t.Errorf("high watermark %d: last stable %d, want %d", hw, got, want)
		}
	}
	stable(0, 0)
	fill(t, l, 1)                          // 0 to 2
	mustAppend(t, l, txnBatch(1, 0, 0, 2)) // 3, 4
	mustAppend(t, l, txnBatch(2, 0, 0, 1)) // 5
	fill(t, l, 1)                          // 6 to 8
	stable(9, 3)
	stable(2, 2)
	endTxn(t, l, 1, 0, true) // 9
	stable(9, 3)             // its marker is not committed
	stable(10, 5)
	mustAppend(t, l, txnBatch(1, 0, 2, 1)) // 10
	endTxn(t, l, 2, 0, false)              // 11
	stable(11, 5)
	stable(12, 10)
	endTxn(t, l, 1, 0, false) // 12
	stable(13, 13)
	want := []AbortedTxn{{2, 5, 11, 10}, {1, 10, 12, 13}}
	if got := mustAborted(t, l, 0, 13); !slices.Equal(got, want) {
		t.Errorf("aborted: %+v", got)
	}
	if got := mustAborted(t, l, 0, 10); !slices.Equal(got, want[:1]) {
		t.Errorf("aborted before 10: %+v", got)
	}
	if got := mustAborted(t, l, 12, 13); !slices.Equal(got, want[1:]) {
		t.Errorf("aborted after 12: %+v", got)
	}
	endTxn(t, l, 1, 0, false) // of nothing
	if got := mustAborted(t, l, 0, 14); !slices.Equal(got, want) {
		t.Errorf("an empty transaction is in the index: %+v", got)
	}
}

func TestTransactionChecks(t *testing.T) {
	l, _ := mustOpen(t, testOptions(vfs.NewMem()))
	mustAppend(t, l, txnBatch(1, 5, 0, 2))
	marker := func(epoch int16, coordinator int32) []byte {
		return batch.NewMarker(1, epoch, batch.Marker{CoordinatorEpoch: coordinator}, 0)
	}
	for _, tt := range []struct {
		name   string
		b      []byte
		origin Origin
		want   *kerr.Error
	}{
		{"outside of the transaction", producerBatchOf(1, 5, 2, 1), FromClient, kerr.InvalidTxnState},
		{"of an older epoch", producerBatchOf(1, 4, 2, 1), FromClient, kerr.InvalidProducerEpoch},
		{"marker of an older epoch", marker(4, 3), FromCoordinator, kerr.InvalidProducerEpoch},
		{"marker", marker(5, 3), FromCoordinator, nil},
		{"marker of an older coordinator", marker(5, 2), FromCoordinator, kerr.TransactionCoordinatorFenced},
		{"marker of a newer epoch", marker(6, 3), FromCoordinator, nil},
		{"the old epoch after it", txnBatch(1, 5, 2, 1), FromClient, kerr.InvalidProducerEpoch},
		{"the new epoch", txnBatch(1, 6, 0, 1), FromClient, nil},
	} {
		_, err := l.Append(tt.b, AppendOptions{Now: testNow, Origin: tt.origin})
		if tt.want == nil && err != nil || tt.want != nil && !isKafka(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	want := ProducerInfo{ID: 1, Epoch: 6, LastSequence: 0, LastTimestamp: testNow.UnixMilli(), LastSeen: testNow, CoordinatorEpoch: 3, TxnFirst: 4}
	if got := l.Producers(); len(got) != 1 || !got[0].LastSeen.Equal(testNow) {
		t.Errorf("producers %+v", got)
	} else if got[0].LastSeen = testNow; got[0] != want {
		t.Errorf("producer %+v, want %+v", got[0], want)
	}
}

// txnModel is what a linear scan of all batches finds.
type txnModel struct {
	open    map[int64]int64
	aborted []AbortedTxn
}

func modelOf(t *testing.T, l *Log) txnModel {
	t.Helper()
	m := txnModel{open: map[int64]int64{}}
	for next := l.Start(); next < l.End(); {
		b, err := l.Read(nil, next, l.End(), 1000, true)
		if err != nil {
			t.Fatal(err)
		}
		for one := range batch.Split(b) {
			h, err := batch.ParseHeader(one)
			if err != nil {
				t.Fatal(err)
			}
			next = h.LastOffset() + 1
			marker, ok, err := batch.ReadMarker(one)
			if err != nil {
				t.Fatal(err)
			}
			first, isOpen := m.open[h.ProducerID]
			switch {
			case ok && isOpen:
				delete(m.open, h.ProducerID)
				if !marker.Commit {
					m.aborted = append(m.aborted, AbortedTxn{h.ProducerID, first, h.LastOffset(), m.stable(h.LastOffset() + 1)})
				}
			case h.IsTransactional() && !h.IsControl() && !isOpen:
				m.open[h.ProducerID] = h.BaseOffset
			}
		}
	}
	return m
}

func (m txnModel) stable(hw int64) int64 {
	for _, first := range m.open {
		hw = min(hw, first)
	}
	return hw
}

// between is what Aborted must find.
func (m txnModel) between(from, upTo int64) (out []AbortedTxn) {
	for _, a := range m.aborted {
		if a.Last >= from && a.First < upTo {
			out = append(out, a)
		}
	}
	return out
}

// checkTxns holds the log's transactions against a linear scan. A log whose
// start has moved may know of transactions that began below it.
func checkTxns(t *testing.T, l *Log) {
	t.Helper()
	m := modelOf(t, l)
	if got, want := l.LastStable(l.End()), m.stable(l.End()); got != want && l.Start() == 0 {
		t.Errorf("last stable %d, a scan says %d", got, want)
	}
	if l.Start() > 0 {
		return
	}
	for range 20 {
		upTo := rand.Int64N(m.stable(l.End()) + 1)
		from := rand.Int64N(upTo + 1)
		if got, want := mustAborted(t, l, from, upTo), m.between(from, upTo); from < upTo && !slices.Equal(got, want) {
			t.Errorf("aborted of %d to %d: %+v, a scan says %+v", from, upTo, got, want)
		}
	}
}

// txnRun appends transactions of several producers by chance.
func txnRun(t *testing.T, l *Log, rng *rand.Rand, sequences map[int64]int32, n int) {
	t.Helper()
	for range n {
		id := rng.Int64N(5) + 1
		switch {
		case rng.IntN(3) == 0:
			endTxn(t, l, id, 0, rng.IntN(2) == 0)
		case rng.IntN(6) == 0:
			fill(t, l, 1)
		default:
			mustAppend(t, l, txnBatch(id, 0, sequences[id], 1+rng.IntN(3)))
			sequences[id] = 0
			for _, p := range l.Producers() {
				sequences[p.ID] = p.LastSequence + 1
			}
		}
	}
}

func TestTransactionIndex(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 2))
		disk := vfs.NewMem()
		o := testOptions(disk)
		l, _ := mustOpen(t, o)
		sequences := map[int64]int32{}
		txnRun(t, l, rng, sequences, 150)
		checkTxns(t, l)
		if len(mustAborted(t, l, 0, l.LastStable(l.End()))) < 5 || len(l.Segments()) < 4 {
			t.Fatal("a run of no use")
		}
		to := l.End() / 3 * 2
		if err := l.Truncate(to); err != nil {
			t.Fatal(err)
		}
		checkTxns(t, l)
		for _, p := range l.Producers() {
			sequences[p.ID] = p.LastSequence + 1
		}
		txnRun(t, l, rng, sequences, 60)
		checkTxns(t, l)
		// Opened again in each way, with indexes, or some, or none.
		for i, name := range []string{"", txnIndexSuffix, indexSuffix, snapshotSuffix, ""} {
			clean := i%2 == 0
			if err := l.Close(clean); err != nil {
				t.Fatal(err)
			}
			o.Clean, o.RecoveryPoint = clean, rng.Int64N(l.End())
			dropFiles(t, disk, name)
			l, _ = mustOpen(t, o)
			checkTxns(t, l)
			txnRun(t, l, rng, sequences, 10)
			checkTxns(t, l)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// dropFiles removes the log's files with an ending.
func dropFiles(t *testing.T, disk vfs.FS, suffix string) {
	t.Helper()
	names, err := disk.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, s, ok := parseName(name); ok && s == suffix {
			if err := disk.Remove(testDir + "/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestOpenTransactionsDoNotExpire(t *testing.T) {
	o := testOptions(vfs.NewMem())
	o.ProducerExpiration, o.MaxProducers = time.Hour, 3
	l, _ := mustOpen(t, o)
	mustAppend(t, l, txnBatch(1, 0, 0, 1))
	for id := range int64(6) {
		mustAppend(t, l, producerBatchOf(id+2, 0, 0, 1))
	}
	if _, err := l.Retain(testNow.Add(2*time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	if got := l.Producers(); len(got) != 1 || got[0].ID != 1 || l.LastStable(l.End()) != 0 {
		t.Errorf("remembered: %+v, last stable %d", got, l.LastStable(l.End()))
	}
}

func TestEndedTransactionsAreBounded(t *testing.T) {
	l, _ := mustOpen(t, testOptions(vfs.NewMem()))
	p := l.producers
	for i := range int64(3 * doneKept) {
		p.txns.begin(1, 2*i)
		p.txns.end(1, 2*i+1)
		if len(p.txns.done) > doneKept {
			t.Fatalf("%d ended transactions are kept", len(p.txns.done))
		}
	}
	if got := p.txns.lastStable(1); got != 0 {
		t.Errorf("last stable %d", got)
	}
	if got := p.txns.lastStable(6 * doneKept); got != 6*doneKept {
		t.Errorf("last stable %d", got)
	}
}
