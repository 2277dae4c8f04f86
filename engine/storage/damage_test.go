package storage

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

const testDir = "logs/orders-0"

// snapshotFiles returns the content of all files in the log's folder.
func snapshotFiles(t *testing.T, fs vfs.FS) map[string][]byte {
	t.Helper()
	names, err := fs.List(testDir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		b, err := vfs.ReadFile(fs, path.Join(testDir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	return files
}

// diskWith returns a disk that has these files in the log's folder.
func diskWith(t *testing.T, files map[string][]byte) vfs.FS {
	t.Helper()
	fs := vfs.NewMem()
	if err := fs.MkdirAll(testDir); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		writeFile(t, fs, name, b)
	}
	return fs
}

func writeFile(t *testing.T, fs vfs.FS, name string, b []byte) {
	t.Helper()
	f, err := fs.Create(path.Join(testDir, name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// smallLog returns the files of a log of one segment of four batches, and its
// records.
func smallLog(t *testing.T, clean bool) (map[string][]byte, []string) {
	t.Helper()
	fs := vfs.NewMem()
	l, _ := mustOpen(t, testOptions(fs))
	fill(t, l, 2)
	mustAppend(t, l, producerBatchOf(5, 0, 0, 2))
	mustAppend(t, l, newBatch("last", 1, testNow.UnixMilli()))
	records := readAll(t, l, 1000)
	if err := l.Close(clean); err != nil {
		t.Fatal(err)
	}
	return snapshotFiles(t, fs), records
}

const firstLog = "00000000000000000000.log"

func TestTornTail(t *testing.T) {
	files, records := smallLog(t, false)
	whole := files[firstLog]
	ends := map[int]int{0: 0} // bytes: records
	size, n := 0, 0
	for b := range batch.Split(whole) {
		size += len(b)
		for range batch.Records(b, stored) {
			n++
		}
		ends[size] = n
	}
	for cut := range len(whole) + 1 {
		for _, junk := range []int{0, 100} {
			files[firstLog] = append(slices.Clone(whole[:cut]), bytes.Repeat([]byte{0xff}, junk)...)
			fs := diskWith(t, files)
			l, r, err := Open(testOptions(fs))
			if err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
			good := cut
			for ends[good] == 0 && good > 0 {
				good--
			}
			if got := readAll(t, l, 1000); !slices.Equal(got, records[:ends[good]]) {
				t.Errorf("cut at %d, then %d bytes of junk: read %v", cut, junk, got)
			}
			if want := int64(cut - good + junk); r.BytesCut != want || len(r.Corrupt) != 0 {
				t.Errorf("cut at %d, then %d bytes of junk: recovered %+v, want %d bytes cut", cut, junk, r, want)
			}
			mustAppend(t, l, newBatch("more", 1, 0))
			if err := l.Close(false); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEveryBitOfTheLog flips each bit of a segment, of which all was synced:
// never more than the batch is lost, never in silence, never a wrong record.
func TestEveryBitOfTheLog(t *testing.T) {
	files, records := smallLog(t, false)
	whole := files[firstLog]
	var batches []batch.Header
	var starts []int
	at := 0
	for b := range batch.Split(whole) {
		h, err := batch.ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		batches, starts = append(batches, h), append(starts, at)
		at += len(b)
	}
	for bit := range len(whole) * 8 {
		pos := bit / 8
		hit := len(starts) - 1
		for starts[hit] > pos {
			hit--
		}
		flipped := slices.Clone(whole)
		flipped[pos] ^= 1 << (bit % 8)
		files[firstLog] = flipped
		o := testOptions(diskWith(t, files))
		o.RecoveryPoint = 9
		l, r, err := Open(o)
		if err != nil {
			t.Fatalf("bit %d: %v", bit, err)
		}
		want := slices.Clone(records)
		if inEpoch := pos-starts[hit] >= 12 && pos-starts[hit] < 16; !inEpoch {
			h := batches[hit]
			want = slices.Delete(want, int(h.BaseOffset), int(h.LastOffset())+1)
			if len(r.Corrupt) != 1 || r.Corrupt[0].From != h.BaseOffset || r.Corrupt[0].To != h.LastOffset()+1 {
				t.Errorf("bit %d of batch %d: recovered %+v", bit-8*starts[hit], hit, r)
			}
		}
		if got := readAll(t, l, 1000); !slices.Equal(got, want) {
			t.Errorf("bit %d of batch %d: read %v, want %v", bit-8*starts[hit], hit, got, want)
		}
		if l.End() != 9 {
			t.Errorf("bit %d of batch %d: the log ends at %d", bit-8*starts[hit], hit, l.End())
		}
		if err := l.Close(false); err != nil {
			t.Fatal(err)
		}
		again, r, err := Open(o)
		if err != nil || len(r.Corrupt) > 0 || !slices.Equal(readAll(t, again, 1000), want) {
			t.Errorf("bit %d of batch %d: opened again: %+v, %v", bit-8*starts[hit], hit, r, err)
		}
		if t.Failed() {
			t.FailNow()
		}
	}
}

// TestEveryBitOfTheRest flips each bit of the other files: nothing changes.
func TestEveryBitOfTheRest(t *testing.T) {
	for _, clean := range []bool{true, false} {
		files, records := smallLog(t, clean)
		for name, whole := range files {
			if strings.HasSuffix(name, logSuffix) {
				continue
			}
			for bit := -1; bit < len(whole)*8; bit++ {
				damaged := slices.Clone(whole)
				if bit >= 0 {
					damaged[bit/8] ^= 1 << (bit % 8)
				}
				files[name] = damaged
				fs := diskWith(t, files)
				if bit < 0 { // missing
					if err := fs.Remove(path.Join(testDir, name)); err != nil {
						t.Fatal(err)
					}
				}
				o := testOptions(fs)
				o.Clean, o.RecoveryPoint = clean, 9
				l, r, err := Open(o)
				if err != nil {
					t.Fatalf("%s, bit %d: %v", name, bit, err)
				}
				if got := readAll(t, l, 1000); !slices.Equal(got, records) || len(r.Corrupt) > 0 || r.BytesCut > 0 {
					t.Fatalf("%s, bit %d: read %v, recovered %+v", name, bit, got, r)
				}
				if p := l.Producers(); len(p) != 1 || p[0].LastSequence != 1 || l.LatestEpoch() != 3 {
					t.Fatalf("%s, bit %d: producers %+v, epoch %d", name, bit, p, l.LatestEpoch())
				}
				if o, _, _, err := l.OffsetForTime(testNow.UnixMilli() + 3001); err != nil || o != 4 {
					t.Fatalf("%s, bit %d: offset by time %d, %v", name, bit, o, err)
				}
				if err := l.Close(false); err != nil {
					t.Fatal(err)
				}
			}
			files[name] = whole
		}
	}
}

func TestDamageInOlderSegments(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	l, _ := mustOpen(t, o)
	fill(t, l, 60)
	segments := l.Segments()
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	files := snapshotFiles(t, fs)
	name := path.Base(fileName(testDir, segments[1].Base, logSuffix))
	for _, tt := range []struct {
		what    string
		point   int64
		damage  func(b []byte) []byte
		removed bool
		end     int64
		lost    [2]int64
	}{
		{"synced, a byte", 180, func(b []byte) []byte { b[100] ^= 1; return b }, true, 180, [2]int64{segments[1].Base, segments[1].Base + 3}},
		{"synced, its end", 180, func(b []byte) []byte { return b[:len(b)-5] }, true, 180, [2]int64{segments[1].End - 3, segments[1].End}},
		{"synced, its index only", 180, func(b []byte) []byte { return b }, true, 180, [2]int64{}},
		{"not synced, its end", segments[1].Base, func(b []byte) []byte { return b[:len(b)-5] }, false, segments[1].End - 3, [2]int64{segments[1].End - 3, 180}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			damaged := map[string][]byte{}
			for n, b := range files {
				damaged[n] = slices.Clone(b)
			}
			damaged[name] = tt.damage(damaged[name])
			if tt.removed {
				delete(damaged, strings.TrimSuffix(name, logSuffix)+indexSuffix)
			}
			o := testOptions(diskWith(t, damaged))
			o.RecoveryPoint = tt.point
			l, r := mustOpen(t, o)
			want := slices.Concat(wantRecords(0, tt.lost[0]), wantRecords(tt.lost[1], 180))
			if got := readAll(t, l, 1000); !slices.Equal(got, want) || l.End() != tt.end {
				t.Errorf("the log ends at %d, read %v", l.End(), got)
			}
			if wantCorrupt := tt.lost[1] > 0; (len(r.Corrupt) > 0) != wantCorrupt {
				t.Errorf("recovered %+v", r)
			}
			for _, c := range r.Corrupt {
				if c.Quarantine == "" {
					continue
				}
				if info, err := o.FS.Stat(path.Join(testDir, c.Quarantine)); err != nil || info.Size != c.Bytes {
					t.Errorf("quarantine %+v: %v", c, err)
				}
			}
		})
	}
}

// TestFirstSegmentMissing takes the first segment away, as a power cut does
// that comes before its name was synced, though those behind it are there.
func TestFirstSegmentMissing(t *testing.T) {
	fs := vfs.NewMem()
	l, _ := mustOpen(t, testOptions(fs))
	fill(t, l, 60)
	segments := l.Segments()
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	files := snapshotFiles(t, fs)
	delete(files, path.Base(fileName(testDir, 0, logSuffix)))
	for _, tt := range []struct {
		what             string
		point            int64
		start, end, lost int64
	}{
		{"nothing was synced", 0, 0, 0, 0},
		{"it was synced, and those behind it not", 1, 1, 1, 1},
		{"all was synced", 180, segments[1].Base, 180, segments[1].Base},
	} {
		t.Run(tt.what, func(t *testing.T) {
			o := testOptions(diskWith(t, files))
			o.RecoveryPoint = tt.point
			l, r := mustOpen(t, o)
			if l.Start() != tt.start || l.End() != tt.end {
				t.Errorf("the log has offsets %d to %d, want %d to %d", l.Start(), l.End(), tt.start, tt.end)
			}
			lost := int64(0)
			for _, c := range r.Corrupt {
				lost += c.To - c.From
			}
			if lost != tt.lost {
				t.Errorf("%d offsets are said to be lost, want %d: %+v", lost, tt.lost, r.Corrupt)
			}
		})
	}
}

func TestForeignFolder(t *testing.T) {
	files, _ := smallLog(t, false)
	o := testOptions(diskWith(t, files))
	o.TopicID = [16]byte{9}
	if _, _, err := Open(o); err == nil || !strings.Contains(fmt.Sprint(err), ErrForeign.Error()) {
		t.Fatalf("error %v", err)
	}
}

// TestDamagedLogStart flips each bit of a log start, and of nothing else: no
// segment is put aside for it, even if no recovery point is known.
func TestDamagedLogStart(t *testing.T) {
	fs := vfs.NewMem()
	o := testOptions(fs)
	l, _ := mustOpen(t, o)
	fill(t, l, 60)
	if err := l.DeleteRecords(100); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Retain(testNow, l.End()); err != nil {
		t.Fatal(err)
	}
	if l.Segments()[0].Base == 0 {
		t.Fatal("no segment was deleted")
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	files := snapshotFiles(t, fs)
	whole := files[logStartFile]
	for bit := range len(whole) * 8 {
		files[logStartFile] = slices.Clone(whole)
		files[logStartFile][bit/8] ^= 1 << (bit % 8)
		l, r, err := Open(testOptions(diskWith(t, files)))
		if err != nil || l.End() != 180 || r.BytesCut > 0 || len(r.Corrupt) > 0 {
			t.Fatalf("bit %d: the log ends at %d, recovered %+v, %v", bit, l.End(), r, err)
		}
		if err := l.Close(false); err != nil {
			t.Fatal(err)
		}
	}
}
