package controller

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// past is a cluster of an earlier run, as its disks have it.
type past struct {
	voters, members int32
	topics          []string
	replicas        int16
	ahead           int32 // a member that alone has a topic "tail", perhaps agreed on
}

// disks runs the past and returns what it leaves.
func (p past) disks(t *testing.T) map[int32]*vfs.Mem {
	var out map[int32]*vfs.Mem
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, p.voters, p.members, func(cfg *Config) {
			cfg.Campaign = cfg.ID == max(p.ahead, 1)
			cfg.ClusterID = "past"
		})
		defer c.close()
		lead := c.leader()
		for _, name := range p.topics {
			r := lead.CreateTopics(t.Context(), []NewTopic{{Name: name, Partitions: 2, ReplicationFactor: p.replicas}}, false)
			if r[0].Err != nil {
				t.Fatal(r[0].Err)
			}
		}
		c.agree()
		if p.ahead > 0 {
			c.isolate(p.ahead, true)
			go func() { _ = tryCreate(within(t, 10*time.Millisecond), lead, "tail") }() // it cannot be answered
			time.Sleep(20 * time.Millisecond)
		}
		out = maps.Clone(c.disks)
	})
	return out
}

// present opens a cluster on disks of the past after Prepare, and checks that
// it has the topics, whatever voter is slow.
func present(t *testing.T, disks map[int32]*vfs.Mem, voters, members int32, campaign int32, slow int32, topics []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 0, 0, nil)
		for id := int32(1); id <= members; id++ {
			c.disks[id] = disks[id].Crash(rand.New(rand.NewPCG(1, 1)), vfs.LoseAll())
			c.members = append(c.members, id)
			if id <= voters {
				c.voters = append(c.voters, id)
			}
		}
		c.tweak = func(cfg *Config) { cfg.Campaign = cfg.ID == campaign }
		defer c.close()
		brokers := testBrokers(members)
		for i := range brokers {
			brokers[i].Incarnation[0] = 9 // of this run
		}
		for _, id := range c.members {
			if id != slow {
				c.start(id, brokers)
			}
		}
		c.leader()
		if slow > 0 {
			time.Sleep(time.Second)
			c.start(slow, brokers)
		}
		img := c.agree()
		if img.ClusterID() != "past" && len(topics) > 0 {
			t.Errorf("slow %d: the cluster is %q", slow, img.ClusterID())
		}
		for _, name := range topics {
			if img.Topic(name) == nil {
				t.Errorf("slow %d: topic %s is gone", slow, name)
			}
		}
		for _, b := range img.Brokers() {
			if b.Fenced != (b.ID > members) {
				t.Errorf("broker %+v", b)
			}
		}
	})
}

func TestPrepare(t *testing.T) {
	topics := []string{"a", "b"}
	for _, c := range []struct {
		name            string
		past            past
		wiped           []int32 // their disks are new
		voters, members int32
		absent          []int32
		campaign        int32 // 0: any voter
		refused         string
	}{
		{name: "new", voters: 3, members: 3, campaign: 1},
		{name: "as it was", past: past{voters: 3, members: 3, topics: topics, replicas: 3}, voters: 3, members: 3, campaign: 1},
		{name: "one voter becomes three", past: past{voters: 1, members: 1, topics: topics, replicas: 1}, voters: 3, members: 3, campaign: 1},
		{name: "one of three brokers becomes three voters", past: past{voters: 1, members: 3, topics: topics, replicas: 1}, voters: 3, members: 3, campaign: 1},
		{name: "three voters become one, and it is behind", past: past{voters: 3, members: 3, topics: topics, replicas: 1, ahead: 2}, voters: 1, members: 3, campaign: 1},
		{name: "three brokers become one, and it is behind", past: past{voters: 3, members: 3, replicas: 1, ahead: 3}, voters: 1, members: 1, absent: []int32{2, 3}, campaign: 1},
		{name: "two disks are new", past: past{voters: 3, members: 3, topics: topics, replicas: 3}, wiped: []int32{1, 2}, voters: 3, members: 3, campaign: 1},
		{name: "all but a learner's disk are new", past: past{voters: 3, members: 4, topics: topics, replicas: 3}, wiped: []int32{1, 2, 3}, voters: 3, members: 4, campaign: 1},
		{name: "a learner's disk is new", past: past{voters: 3, members: 5, topics: topics, replicas: 3}, wiped: []int32{5}, voters: 3, members: 5, campaign: 1},
		{name: "one voter is ahead", past: past{voters: 3, members: 3, topics: topics, replicas: 3, ahead: 3}, voters: 3, members: 3},
		{name: "more brokers", past: past{voters: 3, members: 3, topics: topics, replicas: 3}, voters: 3, members: 7, campaign: 1},
		{name: "fewer brokers", past: past{voters: 3, members: 5, topics: topics, replicas: 3}, voters: 3, members: 3, absent: []int32{4, 5},
			refused: "it holds partitions of broker 5 (such as b-0), which would not run"},
		{name: "fewer brokers without partitions", past: past{voters: 3, members: 5}, voters: 3, members: 3, absent: []int32{4, 5}, campaign: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			disks := map[int32]*vfs.Mem{}
			if c.past.members > 0 {
				disks = c.past.disks(t)
			}
			var members []Member
			for id := int32(1); id <= c.members; id++ {
				if disks[id] == nil || slices.Contains(c.wiped, id) {
					disks[id] = vfs.NewCrashable()
				}
				members = append(members, Member{ID: id, FS: disks[id]})
			}
			for _, id := range c.absent {
				members = append(members, Member{ID: id, FS: disks[id], Absent: true})
			}
			voters := []int32{1, 2, 3}[:c.voters]
			before := contents(t, disks)
			r, err := Prepare(members, voters)
			if c.refused != "" {
				var few *TooFewBrokersError
				if !errors.As(err, &few) || err.Error() != c.refused {
					t.Fatalf("got %v, want %s", err, c.refused)
				}
				if contents(t, disks) != before {
					t.Error("something was changed")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.campaign > 0 && r.Campaign != c.campaign || r.Campaign < 1 || r.Campaign > c.voters {
				t.Errorf("broker %d should stand, want %d", r.Campaign, c.campaign)
			}
			want := slices.Clone(c.past.topics)
			if c.past.ahead > 0 {
				want = append(want, "tail")
			}
			if r.Image == nil && len(want) > 0 || r.Image != nil && r.Image.TopicCount() != len(want) {
				t.Errorf("the image is %+v", r.Image)
			}
			again, err := Prepare(members, voters)
			if err != nil || again.Campaign != r.Campaign && c.campaign > 0 {
				t.Errorf("a second time: %+v, %v", again, err)
			}
			for slow := int32(0); slow <= c.voters && (slow == 0 || c.voters > 1); slow++ {
				present(t, disks, c.voters, c.members, r.Campaign, slow, want)
			}
		})
	}
}

// contents returns what is on disks.
func contents(t *testing.T, disks map[int32]*vfs.Mem) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(disks)) {
		names, err := disks[id].List(defaultDir)
		if err != nil {
			continue
		}
		for _, n := range names {
			data, err := vfs.ReadFile(disks[id], defaultDir+"/"+n)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%d %s %x\n", id, n, data)
		}
	}
	return b.String()
}

func TestPrepare_RefusesAnotherClustersFolder(t *testing.T) {
	a := past{voters: 1, members: 1, topics: []string{"a"}, replicas: 1}.disks(t)
	cfg := testConfig(vfs.NewMem(), 1)
	cfg.ClusterID = "other"
	c := open(t, cfg)
	create(t, c, "b", 1)
	create(t, c, "c", 1)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Prepare([]Member{{ID: 1, FS: a[1]}, {ID: 2, FS: cfg.FS}, {ID: 3, FS: vfs.NewMem()}}, []int32{1, 2, 3})
	if err == nil || !strings.Contains(err.Error(), "not of the same cluster") {
		t.Errorf("got %v", err)
	}
	if _, err := Prepare([]Member{{ID: 1, FS: a[1]}}, []int32{1, 2, 3}); err == nil {
		t.Error("voters without a disk are accepted")
	}
}

// TestPrepare_PowerCutAtEveryCall cuts the power while logs are copied: a
// second Prepare ends with the same.
func TestPrepare_PowerCutAtEveryCall(t *testing.T) {
	disks := past{voters: 1, members: 1, topics: []string{"a"}, replicas: 1}.disks(t)
	for at := 0; ; at++ {
		rng := rand.New(rand.NewPCG(3, uint64(at)))
		fresh := vfs.NewCrashable()
		var cut *vfs.Mem
		faulty := vfs.NewFaulty(fresh, 1)
		faulty.Inject(vfs.Fault{Skip: at, Times: 1, Do: func(vfs.Op, string) { cut = fresh.Crash(rng, vfs.PowerCut()) }})
		members := func(second vfs.FS) []Member {
			return []Member{{ID: 1, FS: disks[1]}, {ID: 2, FS: second}, {ID: 3, FS: vfs.NewMem()}}
		}
		_, err := Prepare(members(faulty), []int32{1, 2, 3})
		if cut == nil {
			if err != nil || at < 8 {
				t.Fatalf("%d calls, %v", at, err)
			}
			return
		}
		all := members(cut)
		if _, err := Prepare(all, []int32{1, 2, 3}); err != nil {
			t.Fatalf("cut before call %d: %v", at, err)
		}
		for _, m := range all {
			s, err := ReadStored(m.FS, defaultDir)
			if err != nil || s.Last() == 0 {
				t.Fatalf("cut before call %d: broker %d has %+v, %v", at, m.ID, s, err)
			}
		}
	}
}

// TestReleasedFolders opens the metadata logs that the first released version
// left, with and without a snapshot, as three voters.
func TestReleasedFolders(t *testing.T) {
	for _, name := range []string{"log", "snapshot"} {
		t.Run(name, func(t *testing.T) {
			disks := map[int32]*vfs.Mem{1: vfs.NewCrashable(), 2: vfs.NewCrashable(), 3: vfs.NewCrashable()}
			copyFolder(t, disks[1], "testdata/released/"+name)
			var members []Member
			for id := int32(1); id <= 3; id++ {
				members = append(members, Member{ID: id, FS: disks[id]})
			}
			r, err := Prepare(members, []int32{1, 2, 3})
			if err != nil {
				t.Fatal(err)
			}
			if r.Campaign != 1 || r.Image.ClusterID() != "released" || r.Image.TopicCount() != 11 || r.Image.NextProducerID() != 1000 {
				t.Fatalf("campaign %d, cluster %s, %d topics", r.Campaign, r.Image.ClusterID(), r.Image.TopicCount())
			}
			if p := r.Image.Topic("t0").Partitions[1]; p.Leader != metadata.NoLeader || !slices.Equal(p.ISR, []int32{2}) {
				t.Errorf("%+v", p)
			}
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, 0, 0, func(cfg *Config) { cfg.Campaign = cfg.ID == 1 })
				c.disks, c.members, c.voters = disks, []int32{1, 2, 3}, []int32{1, 2, 3}
				for id, d := range disks {
					c.disks[id] = d.Crash(rand.New(rand.NewPCG(1, 1)), vfs.LoseAll())
				}
				defer c.close()
				for _, id := range c.members {
					c.start(id, testBrokers(3))
				}
				img := c.agree()
				p := img.Topic("t0").Partitions[1]
				if p.Leader != 2 || !slices.Equal(p.ISR, []int32{2}) || p.LeaderEpoch < 2 {
					t.Errorf("broker 2 is back, and its partition is %+v", p)
				}
				if !bytes.Contains([]byte(img.ClusterID()), []byte("released")) {
					t.Errorf("cluster %s", img.ClusterID())
				}
			})
		})
	}
}

// copyFolder copies a real folder to where a controller looks for its log.
func copyFolder(t *testing.T, to *vfs.Mem, dir string) {
	t.Helper()
	from, err := vfs.OS(dir)
	if err != nil {
		t.Fatal(err)
	}
	names, err := from.List(".")
	if err != nil {
		t.Fatal(err)
	}
	if err := to.MkdirAll(defaultDir); err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		b, err := vfs.ReadFile(from, n)
		if err != nil {
			t.Fatal(err)
		}
		f, err := to.Create(defaultDir + "/" + n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(to.SyncDir("."), to.SyncDir(defaultDir)); err != nil {
		t.Fatal(err)
	}
}
