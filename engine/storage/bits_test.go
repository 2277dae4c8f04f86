package storage

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// mixedLog fills a log of several segments with records, transactions that
// were committed and aborted, and one that is open.
func mixedLog(t *testing.T, o Options) *Log {
	t.Helper()
	l, _ := mustOpen(t, o)
	mustAppend(t, l, txnBatch(1, 0, 0, 2))
	mustAppend(t, l, txnBatch(2, 0, 0, 1))
	fill(t, l, 2)
	if err := l.Roll(testNow); err != nil {
		t.Fatal(err)
	}
	endTxn(t, l, 1, 0, false)
	mustAppend(t, l, txnBatch(3, 0, 0, 1))
	endTxn(t, l, 2, 0, true)
	mustAppend(t, l, producerBatchOf(4, 0, 0, 2))
	endTxn(t, l, 3, 0, false)
	if err := l.Roll(testNow); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, txnBatch(2, 0, 1, 2))
	mustAppend(t, l, txnBatch(1, 0, 2, 1))
	endTxn(t, l, 1, 0, false)
	return l
}

// told is all that a log tells of itself, as text.
func told(t *testing.T, l *Log) string {
	t.Helper()
	producers := l.Producers()
	for i := range producers {
		producers[i].LastSeen = testNow
	}
	slices.SortFunc(producers, func(a, b ProducerInfo) int { return int(a.ID - b.ID) })
	return fmt.Sprintf("%d to %d, stable %d, aborted %+v, producers %+v, epoch %d, segments %+v, records %v",
		l.Start(), l.End(), l.LastStable(l.End()), mustAborted(t, l, 0, l.LastStable(l.End())), producers, l.LatestEpoch(), len(l.Segments()), readAll(t, l, 200))
}

// TestEveryBitBesideTransactions flips each bit of every file but the segments:
// nothing that the log tells changes.
func TestEveryBitBesideTransactions(t *testing.T) {
	for _, clean := range []bool{true, false} {
		fs := vfs.NewMem()
		l := mixedLog(t, testOptions(fs))
		want, end := told(t, l), l.End()
		if err := l.Close(clean); err != nil {
			t.Fatal(err)
		}
		files := snapshotFiles(t, fs)
		if clean && files[fmt.Sprintf("%020d%s", 9, txnIndexSuffix)] == nil {
			t.Fatalf("no transaction index among %v", slices.Sorted(func(yield func(string) bool) {
				for name := range files {
					yield(name)
				}
			}))
		}
		for name, whole := range files {
			if strings.HasSuffix(name, logSuffix) {
				continue
			}
			for bit := -1; bit < len(whole)*8; bit++ {
				files[name] = slices.Clone(whole)
				if bit >= 0 {
					files[name][bit/8] ^= 1 << (bit % 8)
				}
				disk := diskWith(t, files)
				if bit < 0 { // missing
					if err := disk.Remove(path.Join(testDir, name)); err != nil {
						t.Fatal(err)
					}
				}
				o := testOptions(disk)
				o.Clean, o.RecoveryPoint = clean, end
				l, r, err := Open(o)
				if err != nil || len(r.Corrupt) > 0 {
					t.Fatalf("%s, bit %d: %+v, %v", name, bit, r, err)
				}
				if got := told(t, l); got != want {
					t.Fatalf("%s, bit %d: the log says\n%s, before\n%s", name, bit, got, want)
				}
				if err := l.Close(false); err != nil {
					t.Fatal(err)
				}
			}
			files[name] = whole
		}
	}
}

// TestEveryBitOfSegmentsThatWereNotScanned flips each bit of the segments of a
// log that is opened as clean: a read gives what was written, or an error.
func TestEveryBitOfSegmentsThatWereNotScanned(t *testing.T) {
	fs := vfs.NewMem()
	l := mixedLog(t, testOptions(fs))
	want := map[int64]string{}
	for b := range batch.Split(mustReadRaw(t, l)) {
		h, err := batch.ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		want[h.BaseOffset] = string(b[21:])
	}
	if err := l.Close(true); err != nil {
		t.Fatal(err)
	}
	files := snapshotFiles(t, fs)
	found := 0
	for name, whole := range files {
		if !strings.HasSuffix(name, logSuffix) {
			continue
		}
		for bit := range len(whole) * 8 {
			files[name] = slices.Clone(whole)
			files[name][bit/8] ^= 1 << (bit % 8)
			o := testOptions(diskWith(t, files))
			o.Clean = true
			l, _, err := Open(o)
			if err != nil {
				t.Fatalf("%s, bit %d: %v", name, bit, err)
			}
			for next := l.Start(); next < l.End(); {
				b, err := l.Read(nil, next, l.End(), 1000, true)
				if err == nil && len(b) == 0 {
					t.Fatalf("%s, bit %d, offset %d: nothing is read, and there is no error", name, bit, next)
				}
				if isKafka(err, kerr.CorruptMessage) {
					found++
					next++
					continue
				}
				if err != nil {
					t.Fatalf("%s, bit %d, offset %d: %v", name, bit, next, err)
				}
				for one := range batch.Split(b) {
					h, err := batch.ParseHeader(one)
					if err != nil || want[h.BaseOffset] != string(one[21:]) {
						t.Fatalf("%s, bit %d: another batch at %d: %v", name, bit, h.BaseOffset, err)
					}
					next = h.LastOffset() + 1
				}
			}
			if err := l.Close(false); err != nil {
				t.Fatal(err)
			}
		}
		files[name] = whole
	}
	if found < 1000 {
		t.Errorf("only %d reads found damage", found)
	}
}

func mustReadRaw(t *testing.T, l *Log) (all []byte) {
	t.Helper()
	for next := l.Start(); next < l.End(); {
		b, err := l.Read(nil, next, l.End(), 1<<20, true)
		if err != nil {
			t.Fatal(err)
		}
		for one := range batch.Split(b) {
			_, last, _, _ := batch.Extent(one)
			next = last + 1
		}
		all = append(all, b...)
	}
	return all
}

// TestCleanStartReadsNoBatches counts what a start after a clean stop reads.
func TestCleanStartReadsNoBatches(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	o := testOptions(disk)
	l := mixedLog(t, o)
	fill(t, l, 200)
	if err := l.Close(true); err != nil {
		t.Fatal(err)
	}
	reads := map[string]int{}
	disk.Inject(vfs.Fault{Op: vfs.OpRead, Do: func(_ vfs.Op, name string) { reads[path.Ext(name)]++ }})
	o.Clean = true
	_, r := mustOpen(t, o)
	if r.SegmentsScanned > 0 || reads[logSuffix] > 0 || reads[timeIndexSuffix]+reads[txnIndexSuffix] > 0 || reads[indexSuffix] != r.Segments || reads[snapshotSuffix] != 1 {
		t.Errorf("a clean start of %d segments read %v", r.Segments, reads)
	}
}
