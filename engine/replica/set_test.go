package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/storage"
	"github.com/logarium/logarium/engine/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is the metadata that a test feeds to a Set.
type world struct {
	t   testing.TB
	img *metadata.Image
}

func newWorld(t testing.TB, cluster string) *world {
	w := &world{t: t, img: metadata.NewImage(nil)}
	w.apply(metadata.ClusterRecord{ClusterID: cluster})
	return w
}

func (w *world) apply(recs ...metadata.Record) *metadata.Delta {
	w.t.Helper()
	img, d, err := w.img.Apply(recs...)
	must(w.t, err)
	w.img = img
	return d
}

// topic makes a topic with the replicas of each partition; the first leads.
func (w *world) topic(name string, replicas ...[]int32) (metadata.UUID, *metadata.Delta) {
	w.t.Helper()
	id := metadata.NewUUID()
	recs := []metadata.Record{metadata.TopicRecord{ID: id, Name: name}}
	for i, r := range replicas {
		recs = append(recs, metadata.PartitionRecord{TopicID: id, Partition: int32(i), Leader: r[0], Replicas: r, ISR: r})
	}
	return id, w.apply(recs...)
}

func open(t testing.TB, w *world, c Config) *Set {
	t.Helper()
	c.BrokerID = 1
	if c.Hub == nil {
		c.Hub = event.New()
	}
	s, err := Open(c)
	must(t, err)
	must(t, s.Apply(w.img, w.img.Full()))
	return s
}

// add appends n records of one byte.
func add(p *Partition, n int) (storage.Appended, error) {
	b := batch.NewBuilder(batch.BuilderOptions{})
	for range n {
		b.Append(time.Now().UnixMilli(), []byte("k"), []byte("v"), nil)
	}
	return p.Append(b.Build(), storage.FromClient, -1)
}

func partition(t testing.TB, s *Set, topic string, index int32) *Partition {
	t.Helper()
	p, err := s.Partition(topic, index)
	must(t, err)
	return p
}

func TestSet_FindsReplicas(t *testing.T) {
	w := newWorld(t, "c")
	id, _ := w.topic("t", []int32{1}, []int32{2})
	s := open(t, w, Config{FS: vfs.NewMem()})
	defer func() { must(t, s.Close(true)) }()
	for _, c := range []struct {
		name  string
		id    metadata.UUID
		index int32
		want  error
		byID  error
	}{
		{"t", id, 0, nil, nil},
		{"t", id, 1, kerr.NotLeaderForPartition, kerr.NotLeaderForPartition},
		{"t", id, 2, kerr.UnknownTopicOrPartition, kerr.UnknownTopicOrPartition},
		{"t", id, -1, kerr.UnknownTopicOrPartition, kerr.UnknownTopicOrPartition},
		{"x", metadata.NewUUID(), 0, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID},
	} {
		if _, err := s.Partition(c.name, c.index); err != c.want {
			t.Errorf("%s-%d: %v, want %v", c.name, c.index, err, c.want)
		}
		if _, err := s.ByID(c.id, c.index); err != c.byID {
			t.Errorf("%s-%d by id: %v, want %v", c.name, c.index, err, c.byID)
		}
	}
}

// With group durability nobody may read, or be told of, what a power cut could
// take back.
func TestGroup_CommitsWhatIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "c")
		w.topic("t", []int32{1})
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		s := open(t, w, Config{FS: disk})
		p := partition(t, s, "t", 0)
		undo := disk.Inject(vfs.Fault{Op: vfs.OpSync, Path: "*/*.log", Delay: time.Second})
		defer undo()
		started := time.Now()
		a, err := add(p, 3)
		must(t, err)
		if p.HighWatermark() != 0 || p.End() != 3 || time.Since(started) != 0 {
			t.Fatalf("after the append: high watermark %d, end %d, %v", p.HighWatermark(), p.End(), time.Since(started))
		}
		if b, err := p.Fetch(nil, 0, p.HighWatermark(), 1000, true); err != nil || len(b) != 0 {
			t.Fatalf("%d bytes that are not synced are readable (%v)", len(b), err)
		}
		must(t, p.WaitCommitted(t.Context(), a.Last))
		if p.HighWatermark() != 3 || time.Since(started) != time.Second {
			t.Fatalf("high watermark %d after %v", p.HighWatermark(), time.Since(started))
		}
		// What comes during a sync goes into the next one, all of it together.
		_, err = add(p, 1)
		must(t, err)
		time.Sleep(time.Millisecond)
		var last int64
		for range 10 {
			a, err := add(p, 1)
			must(t, err)
			last = a.Last
		}
		must(t, p.WaitCommitted(t.Context(), last))
		if took := time.Since(started); took != 3*time.Second {
			t.Fatalf("ten appends took until %v, one sync is enough", took)
		}
		must(t, s.Close(true))
	})
}

func TestGroup_LogsAreSyncedSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "c")
		w.topic("t", []int32{1}, []int32{1}, []int32{1}, []int32{1})
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		s := open(t, w, Config{FS: disk, Syncers: 4})
		disk.Inject(vfs.Fault{Op: vfs.OpSync, Path: "*/*.log", Delay: time.Second})
		started := time.Now()
		for i := range int32(4) {
			_, err := add(partition(t, s, "t", i), 1)
			must(t, err)
		}
		for i := range int32(4) {
			must(t, partition(t, s, "t", i).WaitCommitted(t.Context(), 0))
		}
		if took := time.Since(started); took != time.Second {
			t.Fatalf("four logs took %v", took)
		}
		disk.Heal()
		must(t, s.Close(true))
	})
}

func TestSync_FailureTakesTheLogOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "c")
		w.topic("t", []int32{1}, []int32{1})
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		hub := event.New()
		s := open(t, w, Config{FS: disk, Hub: hub})
		p, other := partition(t, s, "t", 0), partition(t, s, "t", 1)
		a, err := add(p, 2)
		must(t, err)
		must(t, p.WaitCommitted(t.Context(), a.Last))
		disk.Inject(vfs.Fault{Op: vfs.OpSync, Path: "t-0/*", Err: errors.New("the disk is gone"), Times: 1})
		a, err = add(p, 1)
		must(t, err)
		if err := p.WaitCommitted(t.Context(), a.Last); !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("who waited was told %v", err)
		}
		if _, err := add(p, 1); !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("an append after the failure: %v", err)
		}
		if err := p.WaitCommitted(t.Context(), a.Last); !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("who comes later is told %v", err)
		}
		if b, err := p.Fetch(nil, 0, p.HighWatermark(), 1000, true); err != nil || len(b) == 0 || p.HighWatermark() != 2 {
			t.Fatalf("reads do not go on: %d bytes, %v, high watermark %d", len(b), err, p.HighWatermark())
		}
		if b, err := p.Fetch(nil, 2, p.HighWatermark(), 1000, true); err != nil || len(b) != 0 {
			t.Fatalf("what was never synced is readable: %d bytes, %v", len(b), err)
		}
		events, _ := hub.Since(0, 100)
		if !slices.ContainsFunc(events, func(e event.State) bool {
			return e.Kind == event.BrokerFailed && e.Topic == "t" && e.Partition == 0 && strings.Contains(e.Text, "the disk is gone")
		}) {
			t.Errorf("no event tells of it: %+v", events)
		}
		a, err = add(other, 1)
		must(t, err)
		must(t, other.WaitCommitted(t.Context(), a.Last))
		if err := s.Close(true); err == nil {
			t.Error("a clean end, though a log has failed")
		}
		if _, err := disk.Stat(cleanFile); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the mark of a clean end: %v", err)
		}
	})
}

func TestOS_CommitsAtOnceAndSyncsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "c")
		w.topic("t", []int32{1})
		s := open(t, w, Config{FS: vfs.NewMem(), Durability: OS})
		p := partition(t, s, "t", 0)
		_, err := add(p, 2)
		must(t, err)
		if p.HighWatermark() != 2 || p.log.Synced() == 2 {
			t.Fatalf("high watermark %d, synced %d", p.HighWatermark(), p.log.Synced())
		}
		time.Sleep(1100 * time.Millisecond)
		if p.log.Synced() != 2 {
			t.Fatalf("synced %d after a second", p.log.Synced())
		}
		must(t, s.Close(true))
	})
}

// Acknowledged is what outlives a power cut, whatever the cut takes.
func TestGroup_AcknowledgedSurvivesPowerCuts(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			disk := vfs.NewCrashable()
			w := newWorld(t, "c")
			w.topic("t", []int32{1}, []int32{1})
			s := open(t, w, Config{FS: disk})
			acked := [2]int64{-1, -1}
			for i := range 20 {
				index := i % 2
				p := partition(t, s, "t", int32(index))
				a, err := add(p, 1+i%3)
				must(t, err)
				if i%5 != 4 { // some are never waited for
					must(t, p.WaitCommitted(t.Context(), a.Last))
					acked[index] = a.Last
				}
			}
			after := disk.Crash(rand.New(rand.NewPCG(seed, 1)), vfs.PowerCut())
			_ = s.Close(false) // its disk is gone
			s = open(t, w, Config{FS: after})
			for i, last := range acked {
				p := partition(t, s, "t", int32(i))
				if p.End() <= last {
					t.Errorf("partition %d ends at %d, %d was acknowledged", i, p.End(), last)
				}
				must(t, p.WaitCommitted(t.Context(), p.End()-1)) // what was found is committed again
			}
			must(t, s.Close(true))
		})
	}
}

func TestSet_CleanEndIsRemembered(t *testing.T) {
	disk := vfs.NewMem()
	w := newWorld(t, "c")
	w.topic("t", []int32{1})
	s := open(t, w, Config{FS: disk})
	a, err := add(partition(t, s, "t", 0), 5)
	must(t, err)
	must(t, partition(t, s, "t", 0).WaitCommitted(t.Context(), a.Last))
	must(t, s.Close(true))
	last, err := readLastRun(disk, s.cfg.Logger)
	must(t, err)
	if !last.clean || last.points["t-0"] != 5 || last.watermarks["t-0"] != 5 {
		t.Fatalf("the last run left %+v", last)
	}
	if last, err = readLastRun(disk, s.cfg.Logger); last.clean || err != nil {
		t.Fatalf("the mark is true once: %+v, %v", last, err)
	}
	s = open(t, w, Config{FS: disk})
	if p := partition(t, s, "t", 0); p.HighWatermark() != 5 {
		t.Fatalf("high watermark %d", p.HighWatermark())
	}
	must(t, s.Close(false))
	if last, _ := readLastRun(disk, s.cfg.Logger); last.clean {
		t.Fatal("an end like a crash left the mark of a clean one")
	}
}

func TestSet_ClearsAwayDeletedTopics(t *testing.T) {
	disk := vfs.NewMem()
	w := newWorld(t, "c")
	w.topic("stays", []int32{1})
	gone, _ := w.topic("gone", []int32{1})
	s := open(t, w, Config{FS: disk})
	_, err := add(partition(t, s, "stays", 0), 1)
	must(t, err)
	_, err = add(partition(t, s, "gone", 0), 1)
	must(t, err)
	must(t, s.Close(true))
	w.apply(metadata.RemoveTopicRecord{ID: gone}) // while the broker is down
	must(t, disk.MkdirAll("not-a-log"))
	must(t, disk.MkdirAll("looks-like-1"))
	s = open(t, w, Config{FS: disk})
	defer func() { must(t, s.Close(true)) }()
	names, err := disk.List(".")
	must(t, err)
	if slices.Contains(names, "gone-0") || !slices.Contains(names, "stays-0") || !slices.Contains(names, "looks-like-1") || !slices.Contains(names, "not-a-log") {
		t.Fatalf("the folder has %v", names)
	}
}

// Metadata that was lost or mixed up must not take the logs along.
func TestSet_TouchesNothingOfAnotherCluster(t *testing.T) {
	disk := vfs.NewMem()
	w := newWorld(t, "c")
	w.topic("t", []int32{1})
	s := open(t, w, Config{FS: disk})
	_, err := add(partition(t, s, "t", 0), 1)
	must(t, err)
	must(t, s.Close(true))
	other := newWorld(t, "another")
	s, err = Open(Config{BrokerID: 1, FS: disk, Hub: event.New()})
	must(t, err)
	if err := s.Apply(other.img, other.img.Full()); !errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), identityFile) {
		t.Fatalf("got %v", err)
	}
	must(t, s.Close(false))
	if names, err := disk.List("."); err != nil || !slices.Contains(names, "t-0") {
		t.Fatalf("the folder has %v (%v)", names, err)
	}
}

func TestSet_LogThatCannotBeOpenedIsOffline(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(), 1)
	w := newWorld(t, "c")
	w.topic("bad", []int32{1})
	w.topic("good", []int32{1})
	s := open(t, w, Config{FS: disk})
	for _, name := range []string{"bad", "good"} {
		a, err := add(partition(t, s, name, 0), 1)
		must(t, err)
		must(t, partition(t, s, name, 0).WaitCommitted(t.Context(), a.Last))
	}
	must(t, s.Close(true))
	disk.Inject(vfs.Fault{Path: "bad-0", Err: errors.New("no such disk")})
	disk.Inject(vfs.Fault{Path: "bad-0/*", Err: errors.New("no such disk")})
	s, err := Open(Config{BrokerID: 1, FS: disk, Hub: event.New()})
	must(t, err)
	if err := s.Apply(w.img, w.img.Full()); err == nil || !strings.Contains(err.Error(), "bad-0") {
		t.Fatalf("got %v", err)
	}
	bad := partition(t, s, "bad", 0)
	if _, err := add(bad, 1); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("append: %v", err)
	}
	if _, err := bad.Fetch(nil, 0, bad.HighWatermark(), 10, true); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("fetch: %v", err)
	}
	if err := bad.WaitCommitted(t.Context(), 0); !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("wait: %v", err)
	}
	if _, err := add(partition(t, s, "good", 0), 1); err != nil {
		t.Errorf("the other log: %v", err)
	}
	disk.Heal()
	must(t, s.Close(true))
}

func TestPartition_TellsWhoWaitsWhenItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "c")
		id, _ := w.topic("t", []int32{1}, []int32{1})
		disk := vfs.NewFaulty(vfs.NewMem(), 1)
		s := open(t, w, Config{FS: disk})
		disk.Inject(vfs.Fault{Op: vfs.OpSync, Path: "*/*.log", Delay: time.Minute})
		told := map[int32]error{}
		done := make(chan struct{}, 2)
		for i := range int32(2) {
			p := partition(t, s, "t", i)
			a, err := add(p, 1)
			must(t, err)
			go func() {
				err := p.WaitCommitted(context.Background(), a.Last)
				if i == 0 {
					told[0] = err
				}
				done <- struct{}{}
			}()
		}
		synctest.Wait()
		d := w.apply(metadata.RemoveTopicRecord{ID: id})
		must(t, s.Apply(w.img, d))
		<-done
		<-done
		if !errors.Is(told[0], kerr.UnknownTopicOrPartition) {
			t.Fatalf("who waited was told %v", told[0])
		}
		if len(s.cfg.Hub.Partitions()) != 0 {
			t.Error("the hub still has the replica")
		}
		must(t, s.Close(true))
	})
}

func TestSet_FollowsPartitionsLeadersAndSettings(t *testing.T) {
	w := newWorld(t, "c")
	id, _ := w.topic("t", []int32{1})
	s := open(t, w, Config{FS: vfs.NewMem()})
	defer func() { must(t, s.Close(true)) }()
	old := partition(t, s, "t", 0)
	d := w.apply(metadata.PartitionRecord{TopicID: id, Partition: 1, Leader: 1, Replicas: []int32{1}, ISR: []int32{1}})
	must(t, s.Apply(w.img, d))
	if partition(t, s, "t", 0) != old {
		t.Error("a replica that was there was replaced")
	}
	_, err := add(partition(t, s, "t", 1), 1)
	must(t, err)

	value := "2000"
	d = w.apply(metadata.ConfigRecord{Resource: metadata.Resource{Type: metadata.ResourceTopic, Name: "t"}, Name: "max.message.bytes", Value: &value})
	must(t, s.Apply(w.img, d))
	if got := old.Config().MaxMessageBytes; got != 2000 {
		t.Errorf("max.message.bytes is %d", got)
	}
	d = w.apply(metadata.PartitionChangeRecord{TopicID: id, Leader: metadata.NoLeader})
	must(t, s.Apply(w.img, d))
	if _, err := add(old, 1); !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("an append without a leader: %v", err)
	}
	d = w.apply(metadata.PartitionChangeRecord{TopicID: id, Leader: 1})
	must(t, s.Apply(w.img, d))
	if _, err := add(old, 1); err != nil {
		t.Error(err)
	}
	if leads, epoch := old.Leader(); !leads || epoch == 0 || old.CheckEpoch(0) != kerr.FencedLeaderEpoch || old.CheckEpoch(epoch) != nil || old.CheckEpoch(epoch+1) != kerr.UnknownLeaderEpoch {
		t.Errorf("leads %v, epoch %d", leads, epoch)
	}
}

func TestSet_RetainsInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "c")
		w.topic("t", []int32{1})
		value := "3600000"
		w.apply(metadata.ConfigRecord{Resource: metadata.Resource{Type: metadata.ResourceTopic, Name: "t"}, Name: "retention.ms", Value: &value})
		hub := event.New()
		s := open(t, w, Config{FS: vfs.NewMem(), Hub: hub})
		p := partition(t, s, "t", 0)
		_, err := add(p, 3)
		must(t, err)
		time.Sleep(59 * time.Minute)
		if p.Start() != 0 {
			t.Fatalf("the log starts at %d too early", p.Start())
		}
		time.Sleep(2 * time.Minute)
		if p.Start() != 3 || p.counters.LogStart.Load() != 3 {
			t.Fatalf("the log starts at %d, the gauge says %d", p.Start(), p.counters.LogStart.Load())
		}
		events, _ := hub.Since(0, 1000)
		for _, kind := range []event.Kind{event.SegmentDeleted, event.LogStartMoved} {
			if !slices.ContainsFunc(events, func(e event.State) bool { return e.Kind == kind && e.Topic == "t" }) {
				t.Errorf("no event %s", kind)
			}
		}
		must(t, s.Close(true))
	})
}

func TestParseCheckpoint(t *testing.T) {
	for text, want := range map[string]int64{
		"0\n1\nt 0 5\n":     5,
		"0\n0\n":            0,
		"":                  -1,
		"1\n0\n":            -1,
		"0\n2\nt 0 5\n":     -1,
		"0\n1\nt 0\n":       -1,
		"0\n1\nt 0 -5\n":    -1,
		"0\n1\nt x 5\n":     -1,
		"0\n-1\n":           -1,
		"0\n1\na b c d 5\n": -1,
	} {
		points, err := parseCheckpoint([]byte(text))
		if (want < 0) != (err != nil) || want > 0 && points["t-0"] != want {
			t.Errorf("%q: %v, %v", text, points, err)
		}
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte("0\n1\nt 0 5\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		points, err := parseCheckpoint(b)
		for dir, offset := range points {
			if err == nil && (offset < 0 || !strings.Contains(dir, "-")) {
				t.Fatalf("%q has the point %d", dir, offset)
			}
		}
	})
}

// oneBatch is a batch of one record with a value of n bytes.
func oneBatch(n int) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{})
	b.Append(time.Now().UnixMilli(), []byte("k"), make([]byte, n), nil)
	return b.Build()
}
