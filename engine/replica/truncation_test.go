package replica

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

// run is records that a leader appended in one epoch.
type run struct {
	epoch int32
	n     int
}

// Logs that have parted, by every way that KIP-101 and KIP-279 tell of, become
// the leader's, and nothing is cut that both have.
func TestTruncation_LogsBecomeTheLeaders(t *testing.T) {
	for _, c := range []struct {
		name             string
		leader, follower []run
		cut              int64 // the smallest end that the follower may have on its way
	}{
		{"equal", []run{{1, 5}, {2, 3}}, []run{{1, 5}, {2, 3}}, 8},
		{"follower is behind in the same epoch", []run{{1, 5}}, []run{{1, 3}}, 3},
		{"follower is behind by an epoch", []run{{1, 5}, {3, 4}}, []run{{1, 5}}, 5},
		{"follower is empty", []run{{1, 5}, {2, 3}}, nil, 0},
		{"leader is empty", nil, []run{{1, 5}}, 0},
		{"KIP-101, data loss: the high watermark lagged, the tail is the leader's", []run{{1, 2}}, []run{{1, 2}}, 2},
		{"KIP-101, divergence: another record at the same offset in a newer epoch", []run{{1, 1}, {2, 1}}, []run{{1, 2}}, 1},
		{"follower has more of the same epoch", []run{{1, 3}, {2, 4}}, []run{{1, 9}}, 3},
		{"follower led an epoch that nobody saw", []run{{1, 5}, {3, 5}}, []run{{1, 5}, {2, 4}}, 5},
		{"KIP-279: fast leader changes, the leader has an epoch in between", []run{{0, 10}, {2, 5}}, []run{{0, 10}, {1, 7}}, 10},
		{"KIP-279: the follower has an epoch below the leader's newest", []run{{0, 5}, {1, 5}, {4, 3}}, []run{{0, 5}, {1, 2}, {3, 9}}, 7},
		{"KIP-279: several epochs apart, more than one round", []run{{0, 4}, {2, 4}, {5, 4}}, []run{{0, 3}, {1, 3}, {3, 3}, {4, 3}}, 3},
		{"nothing in common", []run{{5, 3}}, []run{{1, 2}, {2, 2}, {3, 2}}, 0},
		{"follower is longer and older", []run{{1, 2}, {6, 1}}, []run{{1, 2}, {2, 20}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inRig(t, 2, Config{}, func(t *testing.T, r *rig) {
				change := r.topic("t", nil, 1, 2)
				r.lead(change, metadata.NoLeader, 1, 2)
				for broker, runs := range map[int32][]run{1: c.leader, 2: c.follower} {
					for _, x := range runs {
						force(t, r.at(broker, "t"), x.epoch, x.n)
					}
				}
				for r.world.img.Topic("t").Partitions[0].LeaderEpoch < 9 {
					r.world.apply(metadata.PartitionChangeRecord{TopicID: change.TopicID, Leader: metadata.NoLeader})
				}
				seen := r.at(2, "t").End()
				r.lead(change, 1, 1)
				r.caughtUp("t", 1, 2)
				events, _ := r.hub.Since(0, 1000)
				for _, e := range events {
					if e.Kind == event.LogTruncated {
						seen = min(seen, e.B)
					}
				}
				if seen != c.cut {
					t.Errorf("the follower was cut to %d, %d is what both have", seen, c.cut)
				}
				r.put(r.at(1, "t"), 2)
				r.caughtUp("t", 1, 2)
				if got := r.isr("t"); len(got) != 2 {
					t.Errorf("ISR %v", got)
				}
			})
		})
	}
}

// Whatever leaders do one after the other, with whatever is lost between, all
// logs become equal.
func TestTruncation_RandomHistories(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inRig(t, 3, Config{LagTimeMax: time.Second}, func(t *testing.T, r *rig) {
				rnd := rand.New(rand.NewPCG(seed, 1))
				change := r.topic("t", map[string]string{"unclean.leader.election.enable": "true"}, 1, 2, 3)
				for range 30 {
					leader := 1 + rnd.Int32N(3)
					r.lead(change, leader, leader) // unclean, as likely as not
					for id := range int32(3) {
						r.links.SetPaused(id+1, rnd.IntN(3) == 0)
					}
					for range rnd.IntN(4) {
						_, err := add(r.at(leader, "t"), 1+rnd.IntN(5))
						must(t, err)
						time.Sleep(time.Duration(rnd.IntN(5)) * time.Millisecond)
					}
				}
				for id := range int32(3) {
					r.links.SetPaused(id+1, false)
				}
				r.lead(change, 2, 2)
				r.caughtUp("t", 2, 1, 3)
				r.put(r.at(2, "t"), 1)
				r.caughtUp("t", 2, 1, 3)
			})
		})
	}
}

// With clean elections nothing that was committed is lost, and no high
// watermark goes back.
func TestElections_KeepWhatWasCommitted(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inRig(t, 3, Config{LagTimeMax: time.Second}, func(t *testing.T, r *rig) {
				rnd := rand.New(rand.NewPCG(seed, 2))
				change := r.topic("t", nil, 1, 2, 3)
				highest := map[int32]int64{}
				var committed []byte
				var upTo int64
				check := func() {
					t.Helper()
					for id := range int32(3) {
						p := r.at(id+1, "t")
						if hw := p.HighWatermark(); hw < highest[id] {
							t.Fatalf("the high watermark of broker %d went from %d to %d", id+1, highest[id], hw)
						} else {
							highest[id] = hw
						}
						if hw := p.HighWatermark(); hw > upTo {
							upTo = hw
							was := committed
							committed = content(t, p, hw)
							if !slices.Equal(was, committed[:len(was)]) {
								t.Fatal("what was committed is another now")
							}
						}
					}
				}
				for range 25 {
					for id := range int32(3) {
						r.links.SetPaused(id+1, rnd.IntN(4) == 0)
					}
					isr := r.isr("t")
					leader := isr[rnd.IntN(len(isr))]
					r.lead(change, leader, isr...)
					for range rnd.IntN(4) {
						_, err := add(r.at(leader, "t"), 1+rnd.IntN(5))
						must(t, err)
						time.Sleep(time.Duration(rnd.IntN(1500)) * time.Millisecond)
						check()
					}
				}
				for id := range int32(3) {
					r.links.SetPaused(id+1, false)
				}
				time.Sleep(5 * time.Second)
				check()
				leader := r.leader("t")
				p := r.at(leader, "t")
				if p.HighWatermark() < upTo || !slices.Equal(content(t, p, upTo), committed) {
					t.Fatalf("%d was committed, now %d is", upTo, p.HighWatermark())
				}
				r.caughtUp("t", 1, 2, 3)
			})
		})
	}
}

// A batch that was damaged on the way, or on the leader's disk, is not appended.
func TestFollower_RefusesDamagedBatches(t *testing.T) {
	inRig(t, 2, Config{LagTimeMax: time.Hour}, func(t *testing.T, r *rig) {
		r.topic("t", nil, 1, 2)
		p := r.at(1, "t")
		r.put(p, 1)
		time.Sleep(time.Second)
		e := r.at(2, "t").following
		b := oneBatch(100)
		batch.SetBaseOffset(b, 1)
		b[len(b)-1] ^= 1
		if out := r.at(2, "t").replicate(e, &FetchedPartition{HighWatermark: 1, Batches: b}); out != troubled || r.at(2, "t").End() != 1 {
			t.Fatalf("outcome %d, the log ends at %d", out, r.at(2, "t").End())
		}
		r.put(p, 1)
		r.caughtUp("t", 1, 2)
	})
}

// A replica whose disk fails, leader or not, leaves the ISR, and is filled anew
// from the others once it works.
func TestRepair_FailedLogs(t *testing.T) {
	for _, broker := range []int32{1, 2} {
		t.Run(fmt.Sprint("broker ", broker), func(t *testing.T) {
			inRig(t, 3, Config{}, func(t *testing.T, r *rig) {
				r.topic("t", nil, 1, 2, 3)
				p := r.at(1, "t")
				r.put(p, 5)
				time.Sleep(5 * time.Second)
				gone := errors.New("the disk is gone")
				r.disks[broker].Inject(vfs.Fault{Path: "t-0/*", Err: gone})
				r.disks[broker].Inject(vfs.Fault{Path: "t-0", Err: gone})
				_, _ = add(p, 1)
				time.Sleep(30 * time.Second)
				r.ruling.lock()
				told := r.failed
				r.ruling.unlock()
				if len(told) == 0 || slices.Contains(r.isr("t"), broker) || len(r.isr("t")) != 2 {
					t.Fatalf("told of %v, ISR %v", told, r.isr("t"))
				}
				bad := r.at(broker, "t")
				if !bad.counters.Offline.Load() {
					t.Error("the gauge does not say that it is offline")
				}
				leader := r.leader("t")
				if leader == broker {
					t.Fatal("it leads")
				}
				r.put(r.at(leader, "t"), 3)
				r.disks[broker].Heal()
				time.Sleep(time.Minute)
				r.caughtUp("t", leader, 1, 2, 3)
				if len(r.isr("t")) != 3 || bad.counters.Offline.Load() {
					t.Fatalf("ISR %v, offline %v", r.isr("t"), bad.counters.Offline.Load())
				}
				r.put(r.at(leader, "t"), 1)
			})
		})
	}
}

// The only in-sync replica is not thrown away, whatever is wrong with it.
func TestRepair_LastReplicaStays(t *testing.T) {
	inRig(t, 2, Config{LagTimeMax: time.Second}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2)
		p := r.at(1, "t")
		r.put(p, 5)
		r.fence(2, true)
		r.lead(change, 1, 1)
		r.put(p, 2)
		r.broken = true
		undo := r.disks[1].Inject(vfs.Fault{Op: vfs.OpSync, Path: "t-0/*", Err: errors.New("no"), Times: 1})
		defer undo()
		_, err := add(p, 1)
		must(t, err)
		time.Sleep(time.Minute)
		if _, err := add(p, 1); !errors.Is(err, kerr.KafkaStorageError) {
			t.Fatalf("an append: %v", err)
		}
		if b, err := p.Fetch(nil, 0, p.HighWatermark(), 1<<20, true); err != nil || len(b) == 0 {
			t.Fatalf("reads do not go on: %d bytes, %v", len(b), err)
		}
		if p.End() < 7 {
			t.Fatalf("the log ends at %d", p.End())
		}
	})
}

// As long as others count on a replica, for the controller could not be told,
// what it has is not dropped.
func TestRepair_WaitsForTheController(t *testing.T) {
	inRig(t, 2, Config{LagTimeMax: time.Hour}, func(t *testing.T, r *rig) {
		r.topic("t", nil, 1, 2)
		p := r.at(2, "t")
		r.put(r.at(1, "t"), 5)
		time.Sleep(time.Second)
		r.rule(func() { r.deaf = true })
		r.disks[2].Inject(vfs.Fault{Op: vfs.OpSync, Path: "t-0/*", Err: errors.New("no"), Times: 1})
		_, err := add(r.at(1, "t"), 1)
		must(t, err)
		time.Sleep(time.Minute)
		if p.log.Failed() == nil || p.End() < 5 || len(r.isr("t")) != 2 {
			t.Fatalf("failed: %v, the log ends at %d, ISR %v", p.log.Failed(), p.End(), r.isr("t"))
		}
		r.rule(func() { r.deaf = false })
		time.Sleep(time.Minute)
		r.put(r.at(1, "t"), 1)
		r.caughtUp("t", 1, 2)
		if p.log.Failed() != nil || len(r.isr("t")) != 2 {
			t.Fatalf("failed: %v, ISR %v", p.log.Failed(), r.isr("t"))
		}
	})
}

// A flipped bit in the leader's file is found when a follower or a client reads
// it: another replica leads, and the damaged one is fetched anew.
func TestRepair_FlippedBit(t *testing.T) {
	inRig(t, 3, Config{}, func(t *testing.T, r *rig) {
		r.topic("t", nil, 1, 2, 3)
		p := r.at(1, "t")
		for range 5 {
			r.put(p, 1)
		}
		time.Sleep(time.Second)
		f, err := r.disks[1].Open("t-0/00000000000000000000.log")
		must(t, err)
		one := make([]byte, 1)
		_, err = f.ReadAt(one, 65)
		must(t, err)
		one[0] ^= 4
		_, err = f.WriteAt(one, 65)
		must(t, err)
		must(t, f.Close())
		if _, err := p.Fetch(nil, 0, p.HighWatermark(), 1<<20, true); !errors.Is(err, kerr.CorruptMessage) {
			t.Fatalf("a read of it: %v", err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		leader := r.leader("t")
		if leader == 1 || len(r.isr("t")) != 3 {
			t.Fatalf("leader %d, ISR %v", leader, r.isr("t"))
		}
		r.caughtUp("t", leader, 1, 2, 3)
	})
}
