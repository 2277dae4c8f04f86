package inspect_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/logarium/logarium/engine/inspect"
	"github.com/logarium/logarium/engine/vfs"
)

func TestVerify_FindsNothingInAFolderThatIsRight(t *testing.T) {
	for _, brokers := range []int{1, 3} {
		report, found := verify(t, inspect.Options{FS: recordFolder(t, brokers)})
		if len(found) > 0 || report.Problems > 0 || report.Batches < 4 {
			t.Errorf("%d brokers: %+v, %v", brokers, report, found)
		}
	}
}

// Every single bit of a folder, flipped, is either found, or it changes nothing
// that anybody reads.
func TestVerify_FindsEveryFlippedBit(t *testing.T) {
	mem := recordFolder(t, 1)
	// What the journal has after a clean stop is there to be written over.
	if err := mem.RemoveAll("journal"); err != nil {
		t.Fatal(err)
	}
	step := 1
	if testing.Short() {
		step = 13
	}
	flipEach(t, mem, files(t, mem, "."), step)
}

func TestVerify_FindsFlippedBitsOfTheJournal(t *testing.T) {
	mem := recordFolder(t, 1)
	remove(t, mem, "broker-1/.kafka_cleanshutdown")
	addJournal(t, mem, 3)
	flipEach(t, mem, files(t, mem, "journal"), 31)
}

// flipEach flips bits of files, one by one: the first, and then one in step, of
// the first 8 KiB.
func flipEach(t *testing.T, mem *vfs.Mem, names []string, step int) {
	before := everything(t, mem, true)
	harmless, flipped := 0, 0
	for _, name := range names {
		whole := read(t, mem, name)
		f, err := mem.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		for bit := 0; bit < min(len(whole), 8<<10)*8; bit += step {
			b := []byte{whole[bit/8] ^ 1<<(bit%8)}
			if _, err := f.WriteAt(b, int64(bit/8)); err != nil {
				t.Fatal(err)
			}
			report, _ := verify(t, inspect.Options{FS: mem})
			flipped++
			if report.Problems == 0 {
				harmless++
				if everything(t, mem, true) != before {
					t.Errorf("%s: bit %d of byte %d was flipped, and nothing is found", name, bit%8, bit/8)
				}
			}
			if _, err := f.WriteAt(whole[bit/8:bit/8+1], int64(bit/8)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d bits flipped, %d of no effect", flipped, harmless)
}

func TestVerify_Finds(t *testing.T) {
	right := recordFolder(t, 3)
	const segment = "/t-0/00000000000000000000.log"
	first := func(m *vfs.Mem) string {
		for _, b := range []string{"broker-1", "broker-2", "broker-3"} {
			if _, err := m.Stat(b + segment); err == nil {
				return b
			}
		}
		t.Fatal("no broker has the topic")
		return ""
	}
	for _, c := range []struct {
		name  string
		check inspect.Check
		harm  func(t *testing.T, m *vfs.Mem)
	}{
		{"a torn tail after a clean stop", inspect.CheckBatch, func(t *testing.T, m *vfs.Mem) {
			b := read(t, m, first(m)+segment)
			write(t, m, first(m)+segment, b[:len(b)-5])
		}},
		{"a batch less at the end", inspect.CheckBounds, func(t *testing.T, m *vfs.Mem) {
			b := read(t, m, first(m)+segment)
			write(t, m, first(m)+segment, b[:len(b)*2/3])
		}},
		{"the first batch less", inspect.CheckOffsets, func(t *testing.T, m *vfs.Mem) {
			b := read(t, m, first(m)+segment)
			write(t, m, first(m)+segment, b[len(b)/3:])
		}},
		{"a segment in the wrong place", inspect.CheckOffsets, func(t *testing.T, m *vfs.Mem) {
			b := read(t, m, first(m)+segment)
			write(t, m, first(m)+"/t-0/00000000000000000007.log", b)
		}},
		{"no index", inspect.CheckIndex, func(t *testing.T, m *vfs.Mem) {
			remove(t, m, first(m)+"/t-0/00000000000000000000.index")
		}},
		{"the time index of another segment", inspect.CheckTimeIndex, func(t *testing.T, m *vfs.Mem) {
			other := find(t, m, "broker-*/__consumer_offsets-0/*.timeindex")
			write(t, m, first(m)+"/t-0/00000000000000000000.timeindex", read(t, m, other))
		}},
		{"the epochs of another log", inspect.CheckEpochs, func(t *testing.T, m *vfs.Mem) {
			write(t, m, first(m)+"/t-0/leader-epoch-checkpoint", []byte("1\n1\n9 0\ncrc32c 6e4ba8f0\n"))
		}},
		{"a topic that was deleted", inspect.CheckTopic, func(t *testing.T, m *vfs.Mem) {
			write(t, m, first(m)+"/t-0/partition.metadata", []byte("version: 1\ntopic_id: AAECAwQFBgcICQoLDA0ODw\ncrc32c 68da319d\n"))
		}},
		{"the folder of another broker", inspect.CheckBroker, func(t *testing.T, m *vfs.Mem) {
			write(t, m, "broker-1/meta.properties", read(t, m, "broker-2/meta.properties"))
		}},
		{"another cluster's metadata", inspect.CheckBroker, func(t *testing.T, m *vfs.Mem) {
			text := string(read(t, m, "broker-1/meta.properties"))
			write(t, m, "broker-1/meta.properties", []byte(strings.Replace(text, "cluster.id=", "cluster.id=x", 1)))
		}},
		{"a recovery point above the end", inspect.CheckBounds, func(t *testing.T, m *vfs.Mem) {
			text := string(read(t, m, first(m)+"/recovery-point-offset-checkpoint"))
			write(t, m, first(m)+"/recovery-point-offset-checkpoint", []byte(strings.Replace(text, "t 0 3", "t 0 4", 1)))
		}},
		{"a replica with another batch below the high watermark", inspect.CheckReplicas, func(t *testing.T, m *vfs.Mem) {
			from, to := first(m), "broker-3"
			if from == to {
				to = "broker-1"
			}
			if err := m.MkdirAll(to + "/t-0"); err != nil {
				t.Fatal(err)
			}
			b := read(t, m, from+segment)
			for _, broker := range []string{from, to} {
				write(t, m, broker+"/t-0/partition.metadata", read(t, m, from+"/t-0/partition.metadata"))
				write(t, m, broker+"/replication-offset-checkpoint", []byte("0\n1\nt 0 3\n"))
			}
			b = slices.Clone(b)
			b[len(b)*2/3+15]++ // the leader epoch of the third
			write(t, m, to+segment, b)
		}},
		{"no metadata log", inspect.CheckMetadata, func(t *testing.T, m *vfs.Mem) {
			for _, b := range []string{"broker-1", "broker-2", "broker-3"} {
				if err := m.RemoveAll(b + "/__cluster_metadata-0"); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := clone(t, right)
			c.harm(t, m)
			_, found := verify(t, inspect.Options{FS: m})
			if !slices.ContainsFunc(found, func(f inspect.Finding) bool { return f.Severity == inspect.Problem && f.Check == c.check }) {
				t.Errorf("no problem of %s in %v", c.check, found)
			}
		})
	}
}

func TestVerify_TakesWhatACrashLeavesForNoProblem(t *testing.T) {
	m := recordFolder(t, 1)
	remove(t, m, "broker-1/.kafka_cleanshutdown")
	const log = "broker-1/t-0/"
	b := read(t, m, log+"00000000000000000000.log")
	write(t, m, "broker-1/recovery-point-offset-checkpoint", []byte("0\n1\nt 0 2\n"))
	write(t, m, "broker-1/replication-offset-checkpoint", []byte("0\n1\nt 0 2\n"))
	write(t, m, log+"00000000000000000000.log", b[:len(b)-5]) // the third batch is torn
	remove(t, m, log+"00000000000000000000.index")
	remove(t, m, log+"00000000000000000003.snapshot")
	report, found := verify(t, inspect.Options{FS: m})
	if report.Problems != 0 || report.Notes == 0 {
		t.Errorf("%+v: %v", report, found)
	}
	write(t, m, log+"00000000000000000000.log", b[:len(b)/2]) // the second was synced
	if report, found = verify(t, inspect.Options{FS: m}); report.Problems == 0 {
		t.Errorf("a batch below the recovery point is torn: %v", found)
	}
}

func TestVerify_AFolderInUse(t *testing.T) {
	m := recordFolder(t, 1)
	lock, err := m.Lock(".lock")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	ignore := func(inspect.Item) error { return nil }
	if _, err := inspect.Verify(t.Context(), inspect.Options{FS: m}, ignore); !errors.Is(err, inspect.ErrInUse) {
		t.Errorf("verify: %v", err)
	}
	if err := inspect.Dump(t.Context(), inspect.DumpOptions{Options: inspect.Options{FS: m}}, ignore); !errors.Is(err, inspect.ErrInUse) {
		t.Errorf("dump: %v", err)
	}
	if report, found := verify(t, inspect.Options{FS: m, Live: true}); report.Problems > 0 {
		t.Errorf("live: %v", found)
	}
	if _, err := inspect.Verify(t.Context(), inspect.Options{FS: vfs.NewMem()}, ignore); !errors.Is(err, inspect.ErrNoData) {
		t.Errorf("an empty folder: %v", err)
	}
}

func clone(t *testing.T, m *vfs.Mem) *vfs.Mem {
	t.Helper()
	out := vfs.NewMem()
	for _, name := range files(t, m, ".") {
		if at := strings.LastIndexByte(name, '/'); at > 0 {
			if err := out.MkdirAll(name[:at]); err != nil {
				t.Fatal(err)
			}
		}
		write(t, out, name, read(t, m, name))
	}
	return out
}

func remove(t *testing.T, m *vfs.Mem, name string) {
	t.Helper()
	if err := m.Remove(name); err != nil {
		t.Fatal(err)
	}
}
