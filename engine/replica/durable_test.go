package replica

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/journal"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
	"github.com/logarium/logarium/engine/vfs"
)

// startJournal starts a journal, with the Set's syncs as checkpoints.
func startJournal(t testing.TB, disk vfs.FS, of *atomic.Pointer[Set]) *journal.Journal {
	t.Helper()
	j, err := journal.Open(journal.Config{FS: disk, SegmentBytes: 8 << 10, MaxBytes: 64 << 10, Checkpoint: func(_ context.Context, marks []journal.Mark) error {
		s := of.Load()
		if s == nil {
			return errors.New("the broker is starting")
		}
		for _, m := range marks {
			if err := s.SyncThrough(metadata.UUID(m.Topic), m.Partition, m.Next); err != nil {
				return err
			}
		}
		return s.Checkpoint()
	}})
	must(t, err)
	must(t, j.Start())
	return j
}

func sized(t testing.TB, p *Partition, size int) storage.Appended {
	t.Helper()
	b := batch.NewBuilder(batch.BuilderOptions{})
	b.Append(time.Now().UnixMilli(), nil, make([]byte, size), nil)
	a, err := p.Append(b.Build(), storage.FromClient, -1)
	must(t, err)
	return a
}

// What the journal acknowledged outlives a power cut that takes the logs, which
// were not synced or were, with bulk writes in between.
func TestJournal_AcknowledgedSurvivesPowerCuts(t *testing.T) {
	for seed := range uint64(15) {
		disk, jdisk := vfs.NewCrashable(), vfs.NewCrashable()
		w := newWorld(t, "c")
		w.topic("t", []int32{1}, []int32{1})
		rng := rand.New(rand.NewPCG(seed, 7))
		acked := [2]int64{-1, -1}
		for range 4 {
			var running atomic.Pointer[Set]
			j := startJournal(t, jdisk, &running)
			s := open(t, w, Config{FS: disk, Journal: j, BulkBytes: 4000})
			running.Store(s)
			for i, last := range acked {
				p := partition(t, s, "t", int32(i))
				if p.End() <= last {
					t.Fatalf("seed %d: partition %d ends at %d, %d was acknowledged", seed, i, p.End(), last)
				}
				must(t, p.WaitCommitted(t.Context(), p.End()-1))
			}
			for i := range 30 {
				index := rng.IntN(2)
				p := partition(t, s, "t", int32(index))
				var a storage.Appended
				for range 1 + rng.IntN(4) {
					a = sized(t, p, rng.IntN(2500))
				}
				if i%5 != 4 {
					must(t, p.WaitCommitted(t.Context(), a.Last))
					acked[index] = a.Last
				}
				if i == 20 {
					must(t, j.Checkpoint(t.Context()))
				}
			}
			jdisk = jdisk.Crash(rng, vfs.PowerCut())
			disk = disk.Crash(rng, vfs.PowerCut())
			_ = s.Close(false) // its disk is gone
			_ = j.Close(false)
		}
	}
}

func TestJournal_FailureAcknowledgesNothing(t *testing.T) {
	jdisk := vfs.NewFaulty(vfs.NewMem(), 1)
	w := newWorld(t, "c")
	w.topic("t", []int32{1})
	j := startJournal(t, jdisk, new(atomic.Pointer[Set]))
	s := open(t, w, Config{FS: vfs.NewMem(), Journal: j})
	p := partition(t, s, "t", 0)
	must(t, p.WaitCommitted(t.Context(), sized(t, p, 10).Last))
	jdisk.Inject(vfs.Fault{Op: vfs.OpSync, Path: "journal-*", Err: syscall.EIO})
	a := sized(t, p, 10)
	if err := p.WaitCommitted(t.Context(), a.Last); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("who waits is told %v", err)
	}
	if err := p.WaitCommitted(t.Context(), a.Last); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("who comes later is told %v", err)
	}
	if p.HighWatermark() != 1 {
		t.Errorf("high watermark %d", p.HighWatermark())
	}
	if out, err := p.Fetch(nil, 0, p.HighWatermark(), 1<<20, true); err != nil || len(out) == 0 {
		t.Errorf("reads: %d bytes, %v", len(out), err)
	}
	must(t, s.Close(false))
	must(t, j.Close(false))
}

func TestAppend_DiskFullAndFreeAgain(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	hub := event.New()
	w := newWorld(t, "c")
	w.topic("t", []int32{1})
	s := open(t, w, Config{FS: disk, Hub: hub})
	p := partition(t, s, "t", 0)
	must(t, p.WaitCommitted(t.Context(), sized(t, p, 10).Last))
	remove := disk.Inject(vfs.Fault{Op: vfs.OpWrite, Path: "t-0/*.log", Err: syscall.ENOSPC, Short: true})
	for range 3 {
		if _, err := add(p, 1); !errors.Is(err, kerr.KafkaStorageError) || !kerr.IsRetriable(kerr.KafkaStorageError) {
			t.Fatalf("with a full disk: %v", err)
		}
	}
	if out, err := p.Fetch(nil, 0, p.HighWatermark(), 1<<20, true); err != nil || len(out) == 0 {
		t.Errorf("reads: %d bytes, %v", len(out), err)
	}
	remove()
	must(t, p.WaitCommitted(t.Context(), sized(t, p, 10).Last))
	if p.End() != 2 {
		t.Errorf("the log ends at %d", p.End())
	}
	var kinds []event.Kind
	events, _ := hub.Since(0, 100)
	for _, e := range events {
		if e.Kind == event.DiskFull || e.Kind == event.DiskFree {
			kinds = append(kinds, e.Kind)
		}
	}
	if len(kinds) != 2 || kinds[0] != event.DiskFull || kinds[1] != event.DiskFree {
		t.Errorf("events %v", kinds)
	}
	must(t, s.Close(true))
}

// flush.messages holds in mode os: the append that reaches it commits with its
// sync, and for acks 1 it returns after it.
func TestFlushMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		w := newWorld(t, "c")
		w.topic("t", []int32{1})
		value := "3"
		w.apply(metadata.ConfigRecord{Resource: metadata.Resource{Type: metadata.ResourceTopic, Name: "t"}, Name: "flush.messages", Value: &value})
		s := open(t, w, Config{FS: disk, Durability: OS, FlushInterval: time.Hour})
		p := partition(t, s, "t", 0)
		disk.Inject(vfs.Fault{Op: vfs.OpSync, Path: "t-0/*.log", Delay: time.Second})
		_, err := add(p, 2)
		must(t, err)
		if p.HighWatermark() != 2 || p.log.Synced() != 0 {
			t.Fatalf("high watermark %d, synced %d", p.HighWatermark(), p.log.Synced())
		}
		_, err = add(p, 1)
		must(t, err)
		if p.HighWatermark() != 2 {
			t.Errorf("high watermark %d before the sync", p.HighWatermark())
		}
		time.Sleep(1100 * time.Millisecond)
		if p.HighWatermark() != 3 || p.log.Synced() != 3 {
			t.Errorf("high watermark %d, synced %d after it", p.HighWatermark(), p.log.Synced())
		}
		b := batch.NewBuilder(batch.BuilderOptions{})
		for range 3 {
			b.Append(time.Now().UnixMilli(), nil, nil, nil)
		}
		_, err = p.Append(b.Build(), storage.FromClient, 1)
		must(t, err)
		if p.log.Synced() != 6 {
			t.Errorf("an append with acks=1 returned at %d synced", p.log.Synced())
		}
		must(t, s.Close(true))
	})
}

func TestRedo_Rules(t *testing.T) {
	w := newWorld(t, "c")
	id, _ := w.topic("t", []int32{1})
	s := open(t, w, Config{FS: vfs.NewMem()})
	defer func() { must(t, s.Close(true)) }()
	p := partition(t, s, "t", 0)
	entry := func(epoch int32, first, n int64) journal.Entry {
		var raw []byte
		for i := range n {
			b := batch.NewBuilder(batch.BuilderOptions{})
			b.Append(1, nil, []byte{byte(epoch)}, nil)
			one := b.Build()
			batch.SetBaseOffset(one, first+i)
			batch.SetLeaderEpoch(one, epoch)
			raw = append(raw, one...)
		}
		return journal.Entry{Key: journal.Key{Broker: 1, Topic: id}, Epoch: epoch, First: first, Next: first + n, Batches: raw}
	}
	for _, c := range []struct {
		what    string
		e       journal.Entry
		applied bool
		end     int64
		epoch   int32
	}{
		{"behind the end", entry(1, 0, 5), true, 5, 1},
		{"again", entry(1, 0, 5), false, 5, 1},
		{"in part", entry(1, 3, 4), true, 7, 1},
		{"a gap", entry(1, 9, 1), false, 7, 1},
		{"a later leader that had less", entry(2, 4, 1), true, 5, 2},
		{"the earlier leader's again", entry(1, 5, 2), false, 5, 2},
		{"the later leader goes on", entry(2, 5, 2), true, 7, 2},
	} {
		applied, err := p.redo(c.e)
		must(t, err)
		if applied != c.applied || p.log.End() != c.end || p.log.LatestEpoch() != c.epoch {
			t.Errorf("%s: applied %v, the log ends at %d in epoch %d", c.what, applied, p.log.End(), p.log.LatestEpoch())
		}
	}
}

// What a new leader has in its log without a sync counts once it is synced, and
// so does what it appends behind that, although the journal has it before.
func TestJournal_TailOfANewLeaderCountsWhenSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		w := newWorld(t, "c")
		w.topic("t", []int32{1})
		j := startJournal(t, vfs.NewMem(), new(atomic.Pointer[Set]))
		s := open(t, w, Config{FS: disk, Journal: j})
		p := partition(t, s, "t", 0)
		disk.Inject(vfs.Fault{Op: vfs.OpSync, Path: "t-0/*.log", Delay: time.Second})
		b := batch.NewBuilder(batch.BuilderOptions{})
		b.Append(1, nil, nil, nil)
		_, err := p.log.Append(b.Build(), storage.AppendOptions{Now: time.Now()}) // as a follower has it
		must(t, err)
		p.writing.lock()
		p.nowLeads()
		p.writing.unlock()
		sized(t, p, 10)
		synctest.Wait()
		if p.HighWatermark() != 0 || p.journaling.next != 2 {
			t.Errorf("high watermark %d, %d in the journal", p.HighWatermark(), p.journaling.next)
		}
		time.Sleep(3 * time.Second)
		if p.HighWatermark() != 2 {
			t.Errorf("high watermark %d after the sync, %d synced", p.HighWatermark(), p.log.Synced())
		}
		must(t, s.Close(true))
		must(t, j.Close(true))
	})
}
