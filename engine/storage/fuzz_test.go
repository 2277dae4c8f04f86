package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// FuzzRecovery opens a log whose files were mutated: it opens, what it reads
// are whole right batches, and opening it again gives the same.
func FuzzRecovery(f *testing.F) {
	files := fuzzFiles(f)
	f.Add(uint8(0), 0, []byte(nil), int64(0))
	f.Add(uint8(0), 100, []byte{1, 2, 3}, int64(200))
	f.Add(uint8(1), 300, []byte{0xff}, int64(50))
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range files {
			if !yield(name) {
				return
			}
		}
	})
	f.Fuzz(func(t *testing.T, which uint8, at int, junk []byte, point int64) {
		name := names[int(which>>1)%len(names)]
		mutated := map[string][]byte{}
		for n, b := range files {
			mutated[n] = slices.Clone(b)
		}
		b := mutated[name]
		at = max(at, 0) % (len(b) + 1)
		if which&1 == 0 { // overwrite
			copy(b[at:], junk)
		} else { // cut, and something else behind
			mutated[name] = append(b[:at], junk...)
		}
		o := testOptions(diskWith(t, mutated))
		o.RecoveryPoint = max(point, 0) % 200
		l, _, err := Open(o)
		if errors.Is(err, ErrForeign) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		first := fuzzRead(t, l)
		end := l.End()
		stable := l.LastStable(end)
		aborted, err := l.Aborted(l.Start(), stable)
		if err != nil && !errors.Is(err, kerr.CorruptMessage) {
			t.Fatal(err)
		}
		if end < l.stale.trusted(o.RecoveryPoint) {
			t.Fatalf("%s: the log ends at %d, below the recovery point %d", name, end, o.RecoveryPoint)
		}
		if o.RecoveryPoint == 0 { // else older segments were not read
			checkIndexes(t, l)
		}
		if err := l.Close(false); err != nil {
			t.Fatal(err)
		}
		again, r, err := Open(o)
		if err != nil || len(r.Corrupt) > 0 || r.BytesCut > 0 {
			t.Fatalf("%s: opened again: %+v, %v", name, r, err)
		}
		if second := fuzzRead(t, again); !slices.Equal(first, second) || again.End() != end {
			t.Fatalf("%s: opened again it has %v, first %v", name, second, first)
		}
		if now, err := again.Aborted(again.Start(), stable); !errors.Is(err, kerr.CorruptMessage) && (again.LastStable(end) != stable || !slices.Equal(now, aborted)) {
			t.Fatalf("%s: opened again the last stable offset is %d, first %d; aborted %v, first %v, %v", name, again.LastStable(end), stable, now, aborted, err)
		}
		if err := again.Close(false); err != nil {
			t.Fatal(err)
		}
	})
}

// fuzzFiles returns the files of a log of several segments.
func fuzzFiles(f *testing.F) map[string][]byte {
	fs := vfs.NewMem()
	o := testOptions(fs)
	o.Config.SegmentBytes = 600
	l, _, err := Open(o)
	if err != nil {
		f.Fatal(err)
	}
	for i := range 16 {
		b := newBatch(fmt.Sprint("b", i), 3, testNow.UnixMilli())
		if i%3 == 0 {
			b = producerBatchOf(int64(i), 0, 0, 3)
		}
		all := [][]byte{b}
		switch i % 5 {
		case 1:
			all = append(all, txnBatch(100, 0, int32(i/5), 1))
		case 4:
			all = append(all, batch.NewMarker(100, 0, batch.Marker{Commit: i == 4}, 0))
		}
		for _, b := range all {
			if _, err := l.Append(b, AppendOptions{LeaderEpoch: int32(i / 8), Now: testNow, Origin: FromCoordinator}); err != nil {
				f.Fatal(err)
			}
		}
	}
	if err := l.Truncate(l.End() - 2); err != nil { // for its checkpoint
		f.Fatal(err)
	}
	if err := l.DeleteRecords(4); err != nil {
		f.Fatal(err)
	}
	if err := l.Close(false); err != nil {
		f.Fatal(err)
	}
	names, err := fs.List(testDir)
	if err != nil {
		f.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[name], err = vfs.ReadFile(fs, testDir+"/"+name); err != nil {
			f.Fatal(err)
		}
	}
	return files
}

// fuzzRead reads all records. Damage in a segment that was not scanned may be
// found by the read.
func fuzzRead(t *testing.T, l *Log) (got []string) {
	for next := l.Start(); next < l.End(); {
		b, err := l.Read(nil, next, l.End(), 1000, true)
		if errors.Is(err, kerr.CorruptMessage) {
			return append(got, "corrupt")
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(b) == 0 {
			return got
		}
		for one := range batch.Split(b) {
			h, err := batch.ParseHeader(one)
			if err != nil || h.LastOffset() < next {
				t.Fatalf("read %d to %d from %d: %v", h.BaseOffset, h.LastOffset(), next, err)
			}
			if batch.CheckCRC(one) {
				got = append(got, fmt.Sprintf("%d: %x", h.BaseOffset, one))
			}
			next = h.LastOffset() + 1
		}
	}
	return got
}

func FuzzIndex(f *testing.F) {
	x := new(indexes)
	x.add(3, 400, 7)
	x.add(9, 900, 8)
	sum := summary{base: 5, size: 1000, end: 20, maxTimestamp: 9, maxTimestampAt: 14, firstTimestamp: 7, lastPosition: 900, lastCRC: 1}
	f.Add(x.encode(kindOffset, sum))
	f.Add(x.encode(kindTime, sum))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range []byte{kindOffset, kindTime} {
			x := new(indexes)
			decode := x.decodeOffsets
			if kind == kindTime {
				decode = x.decodeTimes
			}
			sum, err := decode(b)
			if err != nil {
				if !errors.Is(err, errBadIndex) {
					t.Fatal(err)
				}
				continue
			}
			if again := x.encode(kind, sum); b[4] == indexVersion && len(again) != len(b) {
				t.Fatalf("decoded and encoded, it has %d bytes, not %d", len(again), len(b))
			}
			if pos, _ := x.position(1 << 20); pos < 0 || pos > sum.size {
				t.Fatalf("position %d of %d", pos, sum.size)
			}
		}
	})
}

func FuzzTxnIndex(f *testing.F) {
	sum := summary{base: 5, size: 1000, end: 90, maxTimestamp: 9, maxTimestampAt: 14, firstTimestamp: 7, lastPosition: 900, lastCRC: 1, aborted: 2}
	f.Add(encodeTxns([]AbortedTxn{{7, 3, 20, 21}, {8, 10, 33, 12}}, sum))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= indexHeaderSize { // past the CRCs: the decoder must stand anything
			sealIndex(b)
		}
		x, sum, err := decodeTxns(b)
		if err != nil {
			if !errors.Is(err, errBadIndex) {
				t.Fatal(err)
			}
			return
		}
		last := int64(-1)
		for _, a := range x.view() {
			if a.Last <= last || a.First >= a.Last || a.Last < sum.base || a.Last >= sum.end {
				t.Fatalf("%+v after %d", a, last)
			}
			last = a.Last
		}
	})
}

// sealIndex makes both CRCs of an index file right.
func sealIndex(b []byte) {
	size := indexHeaderSize
	if b[4] == 1 {
		size = indexHeaderSize1
	}
	binary.BigEndian.PutUint32(b[size-8:], crc32.Checksum(b[size:], castagnoli))
	binary.BigEndian.PutUint32(b[size-4:], crc32.Checksum(b[:size-4], castagnoli))
}
