package storage

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// flip turns one bit of a file.
func flip(t *testing.T, disk vfs.FS, name string, bit int64) {
	t.Helper()
	f, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	if err := readFull(f, b, bit/8); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << (bit % 8)
	if _, err := f.WriteAt(b, bit/8); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestReadsFindDamage flips every bit that a batch's CRC covers, under a log
// that is open: a read of it is an error, its owner is told once, and
// everything else can still be read.
func TestReadsFindDamage(t *testing.T) {
	disk := vfs.NewMem()
	var told []Corruption
	o := testOptions(disk)
	o.OnCorrupt = func(c Corruption) { told = append(told, c) }
	l, _ := mustOpen(t, o)
	fill(t, l, 4)
	name := l.active.name(logSuffix)
	size := int64(len(newBatch(wantTag(0), 3, testNow.UnixMilli())))
	for bit := (size + 21) * 8; bit < 2*size*8; bit++ {
		told = nil
		l.damage.forget()
		flip(t, disk, name, bit)
		for range 2 {
			if b, err := l.Read(nil, 3, l.End(), 1<<20, true); !isKafka(err, kerr.CorruptMessage) || len(b) > 0 {
				t.Fatalf("bit %d: read %d bytes, %v", bit, len(b), err)
			}
		}
		if len(told) != 1 || told[0].Segment != 0 || told[0].Position != size {
			t.Fatalf("bit %d: told %+v", bit, told)
		}
		before, err := l.Read(nil, 0, l.End(), 1<<20, true)
		if err != nil || int64(len(before)) != size {
			t.Fatalf("bit %d: before it %d bytes, %v", bit, len(before), err)
		}
		behind, err := l.Read(nil, 6, l.End(), 1<<20, true)
		if err != nil || len(slices.Collect(batch.Split(behind))) != 2 {
			t.Fatalf("bit %d: behind it %d bytes, %v", bit, len(behind), err)
		}
		flip(t, disk, name, bit)
	}
}

// TestReadsSurviveFlipsOnTheWay has one bit flipped in memory and not in the file.
func TestReadsSurviveFlipsOnTheWay(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 3)
	o := testOptions(disk)
	o.OnCorrupt = func(c Corruption) { t.Errorf("told of damage: %+v", c) }
	l, _ := mustOpen(t, o)
	mustAppend(t, l, producerBatchOf(1, 0, 0, 60))
	disk.Inject(vfs.Fault{Op: vfs.OpRead, Times: 1, Flip: true})
	if b, err := l.Read(nil, 0, l.End(), 1<<20, true); err != nil || !batch.CheckCRC(b) {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
}
