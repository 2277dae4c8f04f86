package controller

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.etcd.io/raft/v3/raftpb"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/vfs"
)

// history is what a scripted run was told.
type history struct {
	there, gone map[string]bool // acknowledged
	producerID  int64           // the next that may be given
}

// script makes and removes topics and takes producer ids until the disk fails.
func script(c *Controller, h *history) {
	ctx := context.Background()
	for i := range 24 {
		name := fmt.Sprint("t", i)
		r := c.CreateTopics(ctx, []NewTopic{{Name: name, Partitions: 3, ReplicationFactor: 1}}, false)
		if r[0].Err != nil {
			return
		}
		h.there[name] = true
		if i%3 == 2 {
			name = fmt.Sprint("t", i-1)
			delete(h.there, name) // from here on it may be either
			if r := c.DeleteTopics(ctx, []TopicRef{{Name: name}}); r[0].Err != nil {
				return
			}
			h.gone[name] = true
		}
		first, n, err := c.AllocateProducerIDs(ctx, 1)
		if err != nil {
			return
		}
		h.producerID = max(h.producerID, first+int64(n))
	}
}

func check(t *testing.T, what string, c *Controller, h *history) {
	t.Helper()
	for name := range h.there {
		if topic := c.Image().Topic(name); topic == nil || len(topic.Partitions) != 3 {
			t.Errorf("%s: acknowledged topic %s is %+v", what, name, topic)
		}
	}
	for name := range h.gone {
		if c.Image().Topic(name) != nil {
			t.Errorf("%s: deleted topic %s is back", what, name)
		}
	}
	first, _, err := c.AllocateProducerIDs(context.Background(), 1)
	if err != nil || first < h.producerID {
		t.Errorf("%s: producer id %d is given twice, or %v", what, first, err)
	}
}

// TestPowerCut_AtEveryCall cuts the power before each call on the disk of a
// scripted run with many snapshots, and again during the recovery.
func TestPowerCut_AtEveryCall(t *testing.T) {
	for at := 0; ; at++ {
		rng := rand.New(rand.NewPCG(7, uint64(at)))
		disk := vfs.NewCrashable()
		h := &history{there: map[string]bool{}, gone: map[string]bool{}}
		var after *vfs.Mem
		run := func(disk *vfs.Mem, skip int) {
			after = nil
			faulty := vfs.NewFaulty(disk, 1)
			faulty.Inject(vfs.Fault{Skip: skip, Times: 1, Do: func(vfs.Op, string) { after = disk.Crash(rng, vfs.PowerCut()) }})
			cfg := testConfig(faulty, 1)
			cfg.SnapshotBytes = 1 << 10
			c, err := Open(context.Background(), cfg)
			if err != nil {
				return
			}
			script(c, h)
			_ = c.Close() // the disk may be gone
		}
		run(disk, at)
		if after == nil {
			if at < 100 {
				t.Fatalf("the script makes only %d calls", at)
			}
			return
		}
		what := fmt.Sprintf("power cut before call %d", at)
		// Half of the time the recovery is cut as well.
		if again := after; at%2 == 0 {
			if run(again, 3+at%11); after == nil {
				after = again
			}
		}
		c, err := Open(context.Background(), testConfig(after, 1))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		check(t, what, c, h)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKill_ThenPowerCut kills the process at each call, lets another one take
// over and answer, and then cuts the power.
func TestKill_ThenPowerCut(t *testing.T) {
	for at := 0; ; at += 3 {
		disk := vfs.NewCrashable()
		h := &history{there: map[string]bool{}, gone: map[string]bool{}}
		var killed *vfs.Mem
		faulty := vfs.NewFaulty(disk, 1)
		faulty.Inject(vfs.Fault{Skip: at, Times: 1, Do: func(vfs.Op, string) { killed = disk.Kill() }})
		cfg := testConfig(faulty, 1)
		cfg.SnapshotBytes = 1 << 10
		if c, err := Open(context.Background(), cfg); err == nil {
			script(c, h)
			_ = c.Close() // the disk may be gone
		}
		if killed == nil {
			return
		}
		c := open(t, testConfig(killed, 1))
		create(t, c, "after-the-kill", 3)
		h.there["after-the-kill"] = true
		cut := killed.Crash(rand.New(rand.NewPCG(1, uint64(at))), vfs.LoseAll())
		check(t, fmt.Sprintf("kill before call %d", at), open(t, testConfig(cut, 1)), h)
	}
}

func TestFailedSync_IsForEver(t *testing.T) {
	faulty := vfs.NewFaulty(vfs.NewMem(), 1)
	cfg := testConfig(faulty, 1)
	c, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, "before", 1)
	cause := errors.New("the disk says no")
	faulty.Inject(vfs.Fault{Op: vfs.OpSync, Times: 1, Err: cause})
	for range 2 {
		r := c.CreateTopics(context.Background(), []NewTopic{{Name: "x", Partitions: 1, ReplicationFactor: 1}}, false)
		wantCode(t, r[0].Err, kerr.KafkaStorageError)
	}
	if c.Image().Topic("x") != nil || c.Image().Topic("before") == nil || c.Active() {
		t.Errorf("topics %v, active %v", c.Image().Topics(), c.Active())
	}
	if count(cfg.Hub, event.BrokerFailed) != 1 {
		t.Error("no event tells of the failure")
	}
	if err := c.Close(); !errors.Is(err, cause) {
		t.Errorf("Close says %v", err)
	}
}

func TestDamage_InTheMiddleIsRefused(t *testing.T) {
	disk := vfs.NewMem()
	c := open(t, testConfig(disk, 1))
	for i := range 5 {
		create(t, c, fmt.Sprint("t", i), 1)
	}
	_, last := c.store.base, c.store.size
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	name := c.store.name(0, logSuffix)
	f, err := disk.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	whole := make([]byte, last)
	if _, err := f.ReadAt(whole, 0); err != nil {
		t.Fatal(err)
	}
	frames, _, err := parseLog(whole)
	if err != nil {
		t.Fatal(err)
	}
	lastFrame := int64(len(whole) - frames[len(frames)-1].size)
	for bit := range last * 8 {
		b := append([]byte(nil), whole...)
		b[bit/8] ^= 1 << (bit % 8)
		got, good, err := parseLog(b)
		switch {
		case bit/8 < lastFrame && err == nil:
			t.Fatalf("bit %d is flipped, and %d frames were read", bit, len(got))
		case bit/8 >= lastFrame && (err != nil || good != lastFrame):
			t.Fatalf("bit %d of the last frame is flipped: read up to %d of %d, %v", bit, good, lastFrame, err)
		}
	}
	if _, err := f.WriteAt([]byte{whole[40] ^ 1}, 40); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), testConfig(disk, 1)); err == nil {
		t.Fatal("a damaged log was opened")
	}
}

func TestOpen_RefusesBadConfigs(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"not a voter":  func(c *Config) { c.ID = 2 },
		"id 0":         func(c *Config) { c.ID, c.Voters = 0, []int32{0} },
		"no transport": func(c *Config) { c.Voters = []int32{1, 2, 3} },
		"no disk":      func(c *Config) { c.FS = nil },
		"no logger":    func(c *Config) { c.Logger = (*slog.Logger)(nil) },
		"bad setting":  func(c *Config) { c.StaticDefaults = map[string]string{"num.partitions": "x"} },
	} {
		cfg := testConfig(vfs.NewMem(), 1)
		change(&cfg)
		if c, err := Open(context.Background(), cfg); err == nil {
			t.Errorf("%s: opened", name)
			_ = c.Close()
		}
	}
}

func FuzzParseLog(f *testing.F) {
	disk := vfs.NewMem()
	c := open(f, testConfig(disk, 1))
	create(f, c, "a", 2)
	if err := c.Close(); err != nil {
		f.Fatal(err)
	}
	file, b, err := c.store.read(c.store.name(0, logSuffix))
	if err != nil {
		f.Fatal(err)
	}
	if err := file.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Add(released(f, "log/00000000000000000000.log"))
	f.Add(released(f, "snapshot/00000000000000000009.log"))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames, good, err := parseLog(b)
		if err != nil {
			return
		}
		var again []byte
		for _, fr := range frames {
			again = appendFrame(again, int64(len(again)), fr.hs, fr.entries)
		}
		if int64(len(again)) > good {
			t.Fatalf("%d bytes became %d", good, len(again))
		}
	})
}

// released returns a file that the first released version wrote.
func released(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "released", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzPrepare gives a voter any files, beside one that has none: Prepare
// refuses them, or the copy has what they have.
func FuzzPrepare(f *testing.F) {
	f.Add([]byte(nil), released(f, "log/00000000000000000000.log"))
	f.Add(released(f, "snapshot/00000000000000000009.snapshot"), released(f, "snapshot/00000000000000000009.log"))
	f.Fuzz(func(t *testing.T, snapshot, log []byte) {
		disk, empty := vfs.NewMem(), vfs.NewMem()
		base := "/00000000000000000000"
		if len(snapshot) > 0 {
			base = "/00000000000000000009"
			writeFile(t, disk, defaultDir+base+snapshotSuffix, snapshot)
		}
		writeFile(t, disk, defaultDir+base+logSuffix, log)
		r, err := Prepare([]Member{{ID: 1, FS: disk}, {ID: 2, FS: empty}, {ID: 3, FS: vfs.NewMem()}}, []int32{1, 2, 3})
		if err != nil || r.Image == nil {
			return
		}
		again, err := Prepare([]Member{{ID: 2, FS: empty}, {ID: 1, FS: disk}, {ID: 3, FS: empty}}, []int32{2})
		if err != nil || !bytes.Equal(again.Image.AppendTo(nil), r.Image.AppendTo(nil)) {
			t.Fatalf("the copy is another one: %v", err)
		}
	})
}

func writeFile(t *testing.T, disk vfs.FS, name string, b []byte) {
	t.Helper()
	if err := disk.MkdirAll(defaultDir); err != nil {
		t.Fatal(err)
	}
	file, err := disk.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseSnapshot(f *testing.F) {
	c := open(f, testConfig(vfs.NewMem(), 1))
	create(f, c, "a", 2)
	snap := &raftpb.Snapshot{Data: c.Image().AppendTo(nil), Metadata: &raftpb.SnapshotMetadata{
		Index: new(uint64(9)), Term: new(uint64(2)), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}},
	}}
	f.Add(appendSnapshot(nil, snap))
	f.Add(released(f, "snapshot/00000000000000000009.snapshot"))
	f.Fuzz(func(t *testing.T, b []byte) {
		snap, err := parseSnapshot(b)
		if err != nil {
			return
		}
		if _, err := parseSnapshot(appendSnapshot(nil, snap)); err != nil {
			t.Fatal(err)
		}
	})
}
