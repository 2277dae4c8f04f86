package replica

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

func TestReplication_CopiesAreEqual(t *testing.T) {
	for _, durability := range []Durability{Group, OS} {
		t.Run(fmt.Sprint(durability), func(t *testing.T) {
			inRig(t, 3, Config{Durability: durability}, func(t *testing.T, r *rig) {
				rnd := rand.New(rand.NewPCG(1, 2))
				for i := range int32(5) {
					r.topic(fmt.Sprint("t", i), nil, 1+i%3, 1+(i+1)%3, 1+(i+2)%3)
				}
				for range 300 {
					i := rnd.Int32N(5)
					p := r.at(1+i%3, fmt.Sprint("t", i))
					if rnd.IntN(2) == 0 {
						r.put(p, 1+rnd.IntN(20))
						continue
					}
					_, err := add(p, 1+rnd.IntN(20))
					must(t, err)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				for i := range int32(5) {
					name := fmt.Sprint("t", i)
					r.same(name, 1, 2, 3)
					for id := range int32(3) {
						if p := r.at(id+1, name); p.HighWatermark() != p.End() {
							t.Errorf("%s on broker %d: high watermark %d, end %d", name, id+1, p.HighWatermark(), p.End())
						}
					}
					leader, follower := r.at(1+i%3, name).counters, r.at(1+(i+1)%3, name).counters
					if leader.RecordsReplicated.Load() != 0 || follower.RecordsIn.Load() != 0 || follower.RecordsReplicated.Load() != leader.RecordsIn.Load() || follower.BytesReplicated.Load() != leader.BytesIn.Load() {
						t.Errorf("the counters of %s are wrong", name)
					}
				}
			})
		})
	}
}

// Nothing is committed, and nobody can read it, before every in-sync replica
// has it and the leader's disk, too.
func TestHighWatermark_WaitsForEveryInSyncReplica(t *testing.T) {
	inRig(t, 3, Config{LagTimeMax: time.Hour}, func(t *testing.T, r *rig) {
		r.topic("t", nil, 1, 2, 3)
		p := r.at(1, "t")
		r.put(p, 5)
		r.links.Cut(3, 1)
		r.links.Cut(1, 3)
		_, err := add(p, 5)
		must(t, err)
		time.Sleep(time.Minute)
		if p.HighWatermark() != 5 || r.at(2, "t").End() != 10 || r.at(3, "t").End() != 5 {
			t.Fatalf("high watermark %d, ends %d and %d", p.HighWatermark(), r.at(2, "t").End(), r.at(3, "t").End())
		}
		if b, err := p.Fetch(nil, 5, p.HighWatermark(), 1000, true); err != nil || len(b) > 0 {
			t.Fatalf("%d bytes that are not committed are readable (%v)", len(b), err)
		}
		r.links.HealAll()
		time.Sleep(time.Second)
		for id := range int32(3) {
			if got := r.at(id+1, "t").HighWatermark(); got != 10 {
				t.Errorf("broker %d has the high watermark %d", id+1, got)
			}
		}
	})
}

func TestHighWatermark_WaitsForTheLeadersDisk(t *testing.T) {
	inRig(t, 2, Config{}, func(t *testing.T, r *rig) {
		r.topic("t", nil, 1, 2)
		p := r.at(1, "t")
		r.put(p, 1)
		r.disks[1].Inject(vfs.Fault{Op: vfs.OpSync, Path: "t-0/*", Delay: 3 * time.Second})
		_, err := add(p, 1)
		must(t, err)
		time.Sleep(2 * time.Second)
		if r.at(2, "t").End() != 2 || p.HighWatermark() != 1 {
			t.Fatalf("the follower ends at %d, the high watermark is %d", r.at(2, "t").End(), p.HighWatermark())
		}
		time.Sleep(2 * time.Second)
		if p.HighWatermark() != 2 {
			t.Fatalf("the high watermark is %d", p.HighWatermark())
		}
	})
}

// While the controller does not answer, the high watermark waits for the
// members of both sets (KIP-497).
// A replica of a fenced broker, or of a broker before its registration, does not
// join.
func TestLeaderChange_WhoWaitsIsTold(t *testing.T) {
	inRig(t, 3, Config{LagTimeMax: time.Hour}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2, 3)
		p := r.at(1, "t")
		r.put(p, 5)
		r.links.SetPaused(1, true)
		a, err := add(p, 3) // a tail that nobody else has
		must(t, err)
		told := make(chan error, 1)
		p.NotifyAcks(a.Last, func(err error) { told <- err })
		r.lead(change, 2, 2, 3)
		if err := <-told; !errors.Is(err, kerr.NotLeaderForPartition) {
			t.Fatalf("who waited was told %v", err)
		}
		if _, err := add(p, 1); !errors.Is(err, kerr.NotLeaderForPartition) {
			t.Fatalf("an append to the old leader: %v", err)
		}
		r.put(r.at(2, "t"), 2)
		r.links.SetPaused(1, false)
		r.caughtUp("t", 2, 1, 3)
		if p.End() != 7 || p.HighWatermark() != 7 {
			t.Fatalf("the old leader ends at %d, high watermark %d", p.End(), p.HighWatermark())
		}
		events, _ := r.hub.Since(0, 1000)
		if !slices.ContainsFunc(events, func(e event.State) bool {
			return e.Kind == event.LogTruncated && e.Broker == 1 && e.A == 8 && e.B == 5
		}) {
			t.Error("no event tells of the truncation")
		}
		if !slices.ContainsFunc(events, func(e event.State) bool {
			return e.Kind == event.FollowerStarted && e.Broker == 1 && e.A == 8 && e.B == 2
		}) {
			t.Error("no event tells of the new follower")
		}
		if got := r.isr("t"); len(got) != 3 {
			t.Fatalf("ISR %v", got)
		}
	})
}

// A new leader's high watermark may be behind what the old one told: clients
// are not told of it before it knows (KIP-207), and it goes back nowhere.
func TestLeaderChange_HighWatermarkIsNotAvailableAtFirst(t *testing.T) {
	inRig(t, 3, Config{LagTimeMax: time.Hour}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2, 3)
		p := r.at(1, "t")
		r.put(p, 5)
		time.Sleep(time.Second)
		before := map[int32]int64{}
		for id := range r.sets {
			before[id] = r.at(id, "t").HighWatermark()
		}
		_, err := add(p, 3)
		must(t, err)
		time.Sleep(500 * time.Microsecond) // copied, and the high watermark not yet told
		r.links.SetPaused(3, true)
		r.lead(change, 2, 2, 3)
		next := r.at(2, "t")
		if err := next.Settled(); next.HighWatermark() < next.epochStart.Load() && !errors.Is(err, kerr.OffsetNotAvailable) {
			t.Fatalf("high watermark %d, the epoch began at %d: %v", next.HighWatermark(), next.epochStart.Load(), err)
		}
		r.links.SetPaused(3, false)
		time.Sleep(time.Second)
		must(t, next.Settled())
		for id := range r.sets {
			if got := r.at(id, "t").HighWatermark(); got != 8 || got < before[id] {
				t.Errorf("broker %d has the high watermark %d, before %d", id, got, before[id])
			}
		}
	})
}

func TestFollower_Restarts(t *testing.T) {
	for _, clean := range []bool{true, false} {
		t.Run(fmt.Sprint("clean ", clean), func(t *testing.T) {
			inRig(t, 3, Config{}, func(t *testing.T, r *rig) {
				change := r.topic("t", nil, 1, 2, 3)
				p := r.at(1, "t")
				r.put(p, 5)
				time.Sleep(10 * time.Second)
				r.stop(3, clean)
				change.ISR = []int32{1, 2}
				r.apply(change)
				for range 20 {
					r.put(p, 5)
				}
				r.links.SetPaused(3, true)
				r.start(3)
				if got := r.at(3, "t").HighWatermark(); got != 5 {
					t.Errorf("it started with the high watermark %d", got)
				}
				r.links.SetPaused(3, false)
				r.caughtUp("t", 1, 2, 3)
				if got := r.isr("t"); len(got) != 3 {
					t.Fatalf("ISR %v", got)
				}
			})
		})
	}
}

// A leader that is started again has forgotten the sessions of its followers.
func TestLeader_Restarts(t *testing.T) {
	inRig(t, 3, Config{}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2, 3)
		r.put(r.at(1, "t"), 5)
		time.Sleep(time.Second)
		r.stop(1, true)
		time.Sleep(time.Minute)
		r.start(1)
		r.lead(change, 1, 1, 2, 3) // as every registration after a start does
		r.put(r.at(1, "t"), 5)
		r.caughtUp("t", 1, 2, 3)
	})
}

// A follower far behind is served in pieces and holds up nobody.
func TestFollower_SlowOneHoldsUpNobody(t *testing.T) {
	inRig(t, 3, Config{LagTimeMax: time.Second, Durability: OS}, func(t *testing.T, r *rig) {
		r.topic("big", nil, 1, 2, 3)
		r.topic("live", nil, 1, 2, 3)
		big, live := r.at(1, "big"), r.at(1, "live")
		r.links.SetPaused(3, true)
		for range 64 {
			b := oneBatch(512 << 10)
			_, err := big.Append(b, 0, 1)
			must(t, err)
		}
		r.put(live, 1)
		if !slices.Equal(r.isr("big"), []int32{1, 2}) {
			t.Fatalf("ISR %v", r.isr("big"))
		}
		r.disks[3].Inject(vfs.Fault{Op: vfs.OpWrite, Path: "big-0/*", Delay: 100 * time.Millisecond})
		r.links.SetPaused(3, false)
		time.Sleep(time.Second)
		for range 10 {
			r.put(live, 1)
			time.Sleep(200 * time.Millisecond)
		}
		if behind := r.at(3, "big").End(); behind == 64 {
			t.Fatal("the disk is not slow: the test tests nothing")
		}
		if live.End()-r.at(3, "live").End() > 1 {
			t.Errorf("the live partition ends at %d on the slow broker, at %d on the leader", r.at(3, "live").End(), live.End())
		}
		time.Sleep(time.Minute)
		r.same("big", 1, 2, 3)
		if got := r.isr("big"); len(got) != 3 {
			t.Errorf("ISR %v", got)
		}
	})
}

func TestReassignment(t *testing.T) {
	inRig(t, 4, Config{}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2, 3)
		p := r.at(1, "t")
		for range 20 {
			r.put(p, 3)
		}
		_, err := p.DeleteRecords(10) // in the middle of a batch
		must(t, err)
		change.Replicas, change.Adding, change.Removing = []int32{1, 2, 3, 4}, []int32{4}, []int32{3}
		r.apply(change)
		r.caughtUp("t", 1, 2, 3, 4)
		if got := r.isr("t"); len(got) != 4 || r.at(4, "t").Start() != 10 {
			t.Fatalf("ISR %v, the new replica starts at %d", got, r.at(4, "t").Start())
		}
		r.put(p, 3)
		change.Replicas, change.ISR, change.Adding, change.Removing = []int32{1, 2, 4}, []int32{1, 2, 4}, []int32{}, []int32{}
		r.apply(change)
		if _, err := r.sets[3].Partition("t", 0); !errors.Is(err, kerr.NotLeaderForPartition) {
			t.Fatalf("broker 3 has a replica still: %v", err)
		}
		if names, err := r.disks[3].List("."); err != nil || slices.Contains(names, "t-0") {
			t.Fatalf("broker 3 has the files still: %v, %v", names, err)
		}
		r.put(p, 3)
		r.caughtUp("t", 1, 2, 4)
	})
}

// The log start goes to the followers, and who deletes records waits for those
// that are up.
func TestDeleteRecords_WaitsForFollowers(t *testing.T) {
	inRig(t, 3, Config{LagTimeMax: time.Hour}, func(t *testing.T, r *rig) {
		r.topic("t", nil, 1, 2, 3)
		p := r.at(1, "t")
		for range 10 {
			r.put(p, 3)
		}
		before, err := p.DeleteRecords(7)
		must(t, err)
		low, err := p.WaitDeleted(t.Context(), before)
		must(t, err)
		if low != 7 || r.at(2, "t").Start() != 7 || r.at(3, "t").Start() != 7 {
			t.Fatalf("low watermark %d, starts %d and %d", low, r.at(2, "t").Start(), r.at(3, "t").Start())
		}
		r.links.SetPaused(3, true)
		before, err = p.DeleteRecords(-1)
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := p.WaitDeleted(ctx, before); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("with a replica that does not answer: %v", err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := p.WaitDeleted(t.Context(), before)
			done <- err
		}()
		time.Sleep(time.Second)
		r.fence(3, true)
		must(t, <-done)
		r.links.SetPaused(3, false)
		time.Sleep(time.Second)
		if got := r.at(3, "t").Start(); got != 30 {
			t.Fatalf("the paused replica starts at %d", got)
		}
	})
}

// A follower whose log ends before the leader's start begins anew there.
func TestFollower_BelowTheLeadersStart(t *testing.T) {
	inRig(t, 2, Config{}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2)
		p := r.at(1, "t")
		r.put(p, 5)
		time.Sleep(time.Second)
		r.stop(2, true)
		r.fence(2, true)
		change.ISR = []int32{1}
		r.apply(change)
		for range 5 {
			r.put(p, 5)
		}
		_, err := p.DeleteRecords(22)
		must(t, err)
		r.start(2)
		r.fence(2, false)
		r.caughtUp("t", 1, 2)
		r.put(p, 1)
		if got := r.isr("t"); len(got) != 2 || r.at(2, "t").HighWatermark() < 22 {
			t.Fatalf("ISR %v, high watermark %d", got, r.at(2, "t").HighWatermark())
		}
	})
}

// What finds no room in an answer comes with the next.
func TestFetch_SmallAnswers(t *testing.T) {
	inRig(t, 2, Config{FetchMaxBytes: 1}, func(t *testing.T, r *rig) {
		for i := range 5 {
			r.topic(fmt.Sprint("t", i), nil, 1, 2)
		}
		r.links.SetPaused(2, true)
		for i := range 50 {
			_, err := add(r.at(1, fmt.Sprint("t", i%5)), 3)
			must(t, err)
		}
		r.links.SetPaused(2, false)
		time.Sleep(time.Second)
		for i := range 5 {
			r.same(fmt.Sprint("t", i), 1, 2)
		}
	})
}

// Answers that get lost are told again.
func TestFetch_LostAnswers(t *testing.T) {
	inRig(t, 2, Config{LagTimeMax: time.Hour}, func(t *testing.T, r *rig) {
		r.topic("t", nil, 1, 2)
		p := r.at(1, "t")
		r.put(p, 1)
		for i := range 20 {
			time.Sleep(time.Second)
			r.links.Cut(1, 2)
			_, err := add(p, 1)
			must(t, err)
			time.Sleep(time.Second) // the answer is on its way
			r.links.SetDown(1, true)
			r.links.SetDown(1, false)
			r.links.Heal(1, 2)
			time.Sleep(time.Second)
			if p.HighWatermark() != int64(i+2) || r.at(2, "t").HighWatermark() != int64(i+2) {
				t.Fatalf("round %d: high watermarks %d and %d", i, p.HighWatermark(), r.at(2, "t").HighWatermark())
			}
		}
	})
}

// Partitions that nothing happens to ask for nothing.
func TestFetch_IdleCostsNothing(t *testing.T) {
	inRig(t, 3, Config{}, func(t *testing.T, r *rig) {
		for i := range int32(30) {
			r.topic(fmt.Sprint("t", i), nil, 1+i%3, 1+(i+1)%3, 1+(i+2)%3)
			r.put(r.at(1+i%3, fmt.Sprint("t", i)), 1)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		before := r.asks.Load()
		time.Sleep(time.Hour)
		if got := r.asks.Load() - before; got > 6*3600/5+6 {
			t.Fatalf("%d fetches in an hour of nothing", got)
		}
		if r.asked.Load() != 0 {
			t.Fatalf("the controller was asked %d times", r.asked.Load())
		}
	})
}

// Clients in a rack are sent to the replica there that has what they want.
func TestReadReplica(t *testing.T) {
	inRig(t, 4, Config{LagTimeMax: time.Hour}, func(t *testing.T, r *rig) {
		for id, rack := range map[int32]string{1: "a", 2: "b", 3: "b", 4: "c"} {
			r.apply(metadata.BrokerRegistrationRecord{ID: id, Epoch: int64(id), Rack: rack})
		}
		change := r.topic("t", nil, 1, 2, 3, 4)
		p := r.at(1, "t")
		r.put(p, 5)
		time.Sleep(time.Second)
		r.links.SetPaused(2, true)
		_, err := add(p, 5)
		must(t, err)
		time.Sleep(time.Second)
		for _, c := range []struct {
			offset int64
			rack   string
			want   int32
		}{
			{0, "a", 1}, {0, "c", 4}, {0, "", 1}, {0, "nowhere", 1},
			{0, "b", 3},  // further than broker 2
			{10, "b", 3}, // which does not have it
			{11, "b", 1}, // nobody has
		} {
			if got := p.ReadReplica(c.offset, c.rack); got != c.want {
				t.Errorf("offset %d, rack %q: broker %d, want %d", c.offset, c.rack, got, c.want)
			}
		}
		r.fence(3, true)
		if got := p.ReadReplica(0, "b"); got != 2 {
			t.Errorf("with broker 3 fenced: %d", got)
		}
		r.lead(change, 1, 1, 4)
		if got := p.ReadReplica(0, "b"); got != 1 {
			t.Errorf("with brokers 2 and 3 out of the ISR: %d", got)
		}
		// What a follower gives ends at its high watermark.
		follower := r.at(4, "t")
		r.links.SetPaused(4, true)
		_, err = add(p, 1)
		must(t, err)
		time.Sleep(time.Second)
		b, err := follower.Fetch(nil, 0, follower.HighWatermark(), 1<<20, true)
		if err != nil || len(b) == 0 || follower.Serves() == nil || follower.ServesReads() != nil {
			t.Errorf("the follower gives %d bytes, %v", len(b), err)
		}
	})
}
