package storage

import (
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/vfs"
)

var errDisk = errors.New("input/output error")

func TestFailedWrites(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []vfs.Fault
		failed bool
	}{
		{"full disk", []vfs.Fault{{Op: vfs.OpWrite, Path: "*/*/*.log", Times: 1, Err: syscall.ENOSPC}}, false},
		{"half written", []vfs.Fault{{Op: vfs.OpWrite, Path: "*/*/*.log", Times: 1, Short: true, Err: errDisk}}, false},
		{"half written, not to be cut", []vfs.Fault{
			{Op: vfs.OpWrite, Path: "*/*/*.log", Times: 1, Short: true, Err: errDisk},
			{Op: vfs.OpTruncate, Times: 1, Err: errDisk},
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk := vfs.NewFaulty(vfs.NewMem(), 1)
			o := testOptions(disk)
			l, _ := mustOpen(t, o)
			fill(t, l, 3)
			if _, err := l.Sync(); err != nil {
				t.Fatal(err)
			}
			for _, f := range tt.faults {
				f.Path = "logs/orders-0/*.log"
				disk.Inject(f)
			}
			if _, err := l.Append(newBatch("lost", 3, 0), AppendOptions{Now: testNow}); !isKafka(err, kerr.KafkaStorageError) {
				t.Fatalf("error %v", err)
			}
			if l.End() != 9 || (l.Failed() != nil) != tt.failed {
				t.Fatalf("the log ends at %d, failed: %v", l.End(), l.Failed())
			}
			end := int64(9)
			if tt.failed {
				if _, err := l.Append(newBatch("lost", 3, 0), AppendOptions{Now: testNow}); !isKafka(err, kerr.KafkaStorageError) {
					t.Errorf("a failed log takes writes: %v", err)
				}
			} else {
				fill(t, l, 1)
				end = 12
			}
			if got := readAll(t, l, 100); !slices.Equal(got, wantRecords(0, end)) {
				t.Errorf("read %v", got)
			}
			if err := l.Close(false); err != nil {
				t.Fatal(err)
			}
			again, _ := mustOpen(t, o)
			if got := readAll(t, again, 100); !slices.Equal(got, wantRecords(0, end)) {
				t.Errorf("opened again, read %v", got)
			}
		})
	}
}

func TestFailedSyncIsForEver(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	l, _ := mustOpen(t, testOptions(disk))
	fill(t, l, 2)
	if through, err := l.Sync(); through != 6 || err != nil {
		t.Fatalf("synced through %d, %v", through, err)
	}
	fill(t, l, 2)
	remove := disk.Inject(vfs.Fault{Op: vfs.OpSync, Err: errDisk})
	if through, err := l.Sync(); through != 6 || !isKafka(err, kerr.KafkaStorageError) || !errors.Is(err, errDisk) {
		t.Fatalf("synced through %d, %v", through, err)
	}
	remove()
	disk.Heal()
	if through, err := l.Sync(); through != 6 || !isKafka(err, kerr.KafkaStorageError) {
		t.Errorf("a failed log syncs: through %d, %v", through, err)
	}
	for _, err := range []error{
		func() error { _, err := l.Append(newBatch("x", 1, 0), AppendOptions{Now: testNow}); return err }(),
		l.Roll(testNow), l.Truncate(0), l.DeleteRecords(1), l.SetEpoch(9, 12),
		func() error { _, err := l.Retain(testNow, 12); return err }(),
		func() error { _, err := l.Compact(t.Context(), testNow, 12); return err }(),
		l.Close(true),
	} {
		if !isKafka(err, kerr.KafkaStorageError) {
			t.Errorf("a failed log goes on: %v", err)
		}
	}
}

func TestFailedLogIsReadUpToWhatIsSynced(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	l, _ := mustOpen(t, testOptions(disk))
	fill(t, l, 2)
	if _, err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	fill(t, l, 2)
	disk.Inject(vfs.Fault{Op: vfs.OpSync, Err: errDisk})
	if _, err := l.Sync(); err == nil {
		t.Fatal("no error")
	}
	if got := readAll(t, l, 1000); !slices.Equal(got, wantRecords(0, 6)) {
		t.Errorf("read %v", got)
	}
}

func TestReadErrors(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	l, _ := mustOpen(t, testOptions(disk))
	fill(t, l, 40)
	disk.Inject(vfs.Fault{Op: vfs.OpRead, Times: 1, Err: errDisk})
	if b, err := l.Read([]byte("x"), 50, 120, 1000, true); !isKafka(err, kerr.KafkaStorageError) || string(b) != "x" {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
	if got := readAll(t, l, 1000); !slices.Equal(got, wantRecords(0, 120)) {
		t.Errorf("read %v", got)
	}
}

// TestEveryFault makes each call of a scripted run fail once: nothing that was
// acknowledged is lost, and every error says what it is.
func TestEveryFault(t *testing.T) {
	for skip := 0; ; skip++ {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		struck := false
		disk.Inject(vfs.Fault{Skip: skip, Times: 1, Do: func(vfs.Op, string) { struck = true }, Err: errDisk})
		o := testOptions(disk)
		acked := everyFault(t, o)
		if !struck {
			if skip < 50 {
				t.Fatalf("the run has only %d calls", skip)
			}
			return
		}
		l, r, err := Open(o)
		if err != nil {
			t.Fatalf("fault %d: %v", skip, err)
		}
		if got := readAll(t, l, 1000); len(r.Corrupt) > 0 || int64(len(got)) < acked || !slices.Equal(got[:acked], wantRecords(0, acked)) {
			t.Fatalf("fault %d: acknowledged up to %d, read %v, recovered %+v", skip, acked, got, r)
		}
		if err := l.Close(false); err != nil {
			t.Fatal(err)
		}
	}
}

// everyFault opens a log, appends to it and closes it; it returns up to where
// appends went well.
func everyFault(t *testing.T, o Options) (acked int64) {
	t.Helper()
	l, _, err := Open(o)
	if err != nil {
		if !isKafka(err, kerr.KafkaStorageError) {
			t.Fatalf("Open: %v", err)
		}
		return 0
	}
	for i := range 30 {
		next := l.End()
		a, err := l.Append(newBatch(wantTag(next), 3, testNow.UnixMilli()), AppendOptions{Now: testNow})
		if err == nil {
			acked = a.Last + 1
		} else if !isKafka(err, kerr.KafkaStorageError) {
			t.Fatalf("Append: %v", err)
		}
		if i%7 == 0 {
			if _, err := l.Sync(); err != nil && !isKafka(err, kerr.KafkaStorageError) {
				t.Fatalf("Sync: %v", err)
			}
		}
	}
	if err := l.Close(true); err != nil && !isKafka(err, kerr.KafkaStorageError) {
		t.Fatalf("Close: %v", err)
	}
	return acked
}
