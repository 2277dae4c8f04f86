package storage

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/vfs"
)

// leadersBatch is a batch as a follower gets it.
func leadersBatch(base int64, n int, epoch int32) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{BaseOffset: base, LeaderEpoch: epoch})
	for i := range n {
		b.Append(testNow.UnixMilli(), []byte("k"), fmt.Appendf(nil, "v%d", base+int64(i)), nil)
	}
	return b.Build()
}

func follow(t *testing.T, l *Log, base int64, n int, epoch int32) {
	t.Helper()
	if _, err := l.Append(leadersBatch(base, n, epoch), AppendOptions{Now: testNow, Origin: FromLeader}); err != nil {
		t.Fatal(err)
	}
}

func TestReset(t *testing.T) {
	o := testOptions(vfs.NewMem())
	l, _ := mustOpen(t, o)
	fill(t, l, 40)
	if _, err := l.Append(producerBatchOf(7, 0, 0, 3), AppendOptions{LeaderEpoch: 4, Now: testNow}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	point := l.Synced()
	if err := l.Reset(50); err != nil {
		t.Fatal(err)
	}
	empty := func(l *Log) {
		t.Helper()
		if l.Start() != 50 || l.End() != 50 || l.Synced() != 50 || l.Size() != 0 || l.LatestEpoch() != -1 || len(l.Producers()) != 0 {
			t.Fatalf("reset to 50 it has %d to %d, synced %d, %d bytes, epoch %d, producers %v",
				l.Start(), l.End(), l.Synced(), l.Size(), l.LatestEpoch(), l.Producers())
		}
	}
	empty(l)
	if _, err := l.Read(nil, 49, 60, 1000, true); !isKafka(err, kerr.OffsetOutOfRange) {
		t.Errorf("reading below: %v", err)
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	// The recovery point is of before the reset.
	o.RecoveryPoint = point
	l, r := mustOpen(t, o)
	if empty(l); len(r.Corrupt) > 0 {
		t.Errorf("recovered %+v", r)
	}
	// The leader's log starts within a batch, and has gaps.
	follow(t, l, 48, 4, 9)
	follow(t, l, 60, 2, 9)
	if l.Start() != 50 || l.End() != 62 || l.LatestEpoch() != 9 {
		t.Errorf("it has %d to %d, epoch %d", l.Start(), l.End(), l.LatestEpoch())
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	l, r = mustOpen(t, o)
	if l.Start() != 50 || l.End() != 62 || len(r.Corrupt) > 0 || r.BytesCut > 0 {
		t.Errorf("opened again it has %d to %d, recovered %+v", l.Start(), l.End(), r)
	}
}

func TestResetOfAFailedLog(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	l, _ := mustOpen(t, testOptions(disk))
	fill(t, l, 4)
	disk.Inject(vfs.Fault{Op: vfs.OpSync, Times: 1, Err: errDisk})
	if _, err := l.Sync(); err == nil {
		t.Fatal("no error")
	}
	if err := l.Reset(3); err != nil || l.Failed() != nil {
		t.Fatal(err, l.Failed())
	}
	follow(t, l, 3, 2, 1)
	if through, err := l.Sync(); through != 5 || err != nil {
		t.Errorf("synced through %d, %v", through, err)
	}
	remove := disk.Inject(vfs.Fault{Op: vfs.OpSyncDir, Err: errDisk})
	if err := l.Reset(0); !isKafka(err, kerr.KafkaStorageError) || l.Failed() == nil {
		t.Errorf("%v; failed: %v", err, l.Failed())
	}
	remove()
	if err := l.Reset(0); err != nil {
		t.Error(err)
	}
	if err := l.Reset(-1); !isKafka(err, kerr.OffsetOutOfRange) {
		t.Error(err)
	}
}

// TestCrashesOfReset cuts the power at every call of a reset and of the first
// append after it, and at every call of the recovery.
func TestCrashesOfReset(t *testing.T) {
	for skip := 0; ; skip++ {
		for seed := range uint64(6) {
			disk := vfs.NewCrashable()
			if err := errors.Join(disk.MkdirAll("logs"), disk.SyncDir(".")); err != nil {
				t.Fatal(err)
			}
			faulty := vfs.NewFaulty(disk, seed)
			o := testOptions(faulty)
			l, _ := mustOpen(t, o)
			fill(t, l, 20)
			if _, err := l.Sync(); err != nil {
				t.Fatal(err)
			}
			old := wantRecords(0, l.End())
			o.RecoveryPoint = l.Synced()
			over := true
			faulty.Inject(vfs.Fault{Skip: skip, Err: vfs.ErrCrashed, Do: func(vfs.Op, string) { over = false }})
			err := l.Reset(30)
			reset := err == nil
			if reset {
				_, err = l.Append(leadersBatch(30, 3, 5), AppendOptions{Now: testNow, Origin: FromLeader})
			}
			if err == nil {
				_, err = l.Sync()
			}
			synced := err == nil
			if err := l.Close(false); err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(seed, uint64(skip)))
			after := disk.Crash(rng, vfs.PowerCut())
			checkReset(t, crashOpening(t, rng, after, o, int(seed)*5), o, old, reset, synced)
			if t.Failed() {
				t.Fatalf("call %d, seed %d", skip, seed)
			}
			if over {
				return
			}
		}
	}
}

// crashOpening cuts the power once while the log is opened.
func crashOpening(t *testing.T, rng *rand.Rand, disk *vfs.Mem, o Options, skip int) *vfs.Mem {
	t.Helper()
	faulty := vfs.NewFaulty(disk, 1)
	faulty.Inject(vfs.Fault{Skip: skip, Err: vfs.ErrCrashed})
	o.FS = faulty
	if l, _, err := Open(o); err == nil {
		if err := l.Close(false); err != nil {
			t.Fatal(err)
		}
	}
	return disk.Crash(rng, vfs.PowerCut())
}

func checkReset(t *testing.T, disk vfs.FS, o Options, old []string, reset, synced bool) {
	t.Helper()
	o.FS = disk
	l, r, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Corrupt) > 0 {
		t.Errorf("recovered %+v", r)
	}
	got := readAll(t, l, 1000)
	fresh := []string{"30=v30", "31=v31", "32=v32"}
	switch {
	case l.Start() == 0 && !reset:
		if !slices.Equal(got, old) {
			t.Errorf("before the reset: %v", got)
		}
	case l.Start() != 30, l.End() != 30 && l.End() != 33, synced && l.End() != 33, !slices.Equal(got, fresh[:l.End()-30]):
		t.Errorf("it has %d to %d: %v", l.Start(), l.End(), got)
	}
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
}

// TestFollowerThatBeginsWithAGap has a leader whose first records are gone by
// compaction: after a crash the follower's log is still there.
func TestFollowerThatBeginsWithAGap(t *testing.T) {
	o := testOptions(vfs.NewMem())
	l, _ := mustOpen(t, o)
	follow(t, l, 50, 3, 1)
	follow(t, l, 70, 3, 1)
	if err := l.Close(false); err != nil {
		t.Fatal(err)
	}
	l, r := mustOpen(t, o)
	if l.Start() != 0 || l.End() != 73 || l.Segments()[0].Base != 0 || r.BytesCut > 0 || len(r.Corrupt) > 0 {
		t.Errorf("it has %d to %d in %+v, recovered %+v", l.Start(), l.End(), l.Segments(), r)
	}
}
