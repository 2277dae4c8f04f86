package replica

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/metadata"
)

func TestISR_ShrinksAndExpands(t *testing.T) {
	inRig(t, 3, Config{LagTimeMax: 10 * time.Second}, func(t *testing.T, r *rig) {
		r.topic("t", nil, 1, 2, 3)
		p := r.at(1, "t")
		r.put(p, 5)
		r.links.SetPaused(3, true)
		time.Sleep(time.Hour) // a follower that has everything is in sync, however long nothing comes
		if got := r.isr("t"); len(got) != 3 || r.asked.Load() != 0 {
			t.Fatalf("ISR %v after an hour of nothing, the controller was asked %d times", got, r.asked.Load())
		}
		a, err := add(p, 1)
		must(t, err)
		time.Sleep(9 * time.Second)
		if got := r.isr("t"); len(got) != 3 {
			t.Fatalf("ISR %v too early", got)
		}
		must(t, p.WaitCommitted(t.Context(), a.Last)) // in virtual time: as long as it takes
		if got := r.isr("t"); !slices.Equal(got, []int32{1, 2}) {
			t.Fatalf("ISR %v", got)
		}
		r.links.SetPaused(3, false)
		time.Sleep(time.Second)
		if got := r.isr("t"); len(got) != 3 {
			t.Fatalf("ISR %v after it caught up", got)
		}
		r.same("t", 1, 2, 3)
		asked := r.asked.Load()
		time.Sleep(time.Hour)
		if r.asked.Load() != asked {
			t.Fatalf("%d more proposals while nothing happened", r.asked.Load()-asked)
		}
	})
}

func TestISR_ProposalsAreSafeAndRepeated(t *testing.T) {
	inRig(t, 3, Config{LagTimeMax: 2 * time.Second}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2, 3)
		p := r.at(1, "t")
		r.put(p, 1)
		r.links.SetPaused(3, true)
		r.rule(func() { r.answer = func() error { return errors.New("no controller") } })
		_, err := add(p, 1)
		must(t, err)
		time.Sleep(10 * time.Second)
		if p.HighWatermark() != 1 || r.asked.Load() < 3 || r.asked.Load() > 30 {
			t.Fatalf("high watermark %d before the controller agreed, asked %d times", p.HighWatermark(), r.asked.Load())
		}
		r.rule(func() { r.answer = nil })
		time.Sleep(3 * time.Second)
		if p.HighWatermark() != 2 {
			t.Fatalf("high watermark %d", p.HighWatermark())
		}
		// An expansion counts from the moment it is asked for.
		r.rule(func() { r.delay = time.Minute })
		r.links.SetPaused(3, false)
		time.Sleep(time.Second)
		r.links.SetPaused(3, true)
		_, err = add(p, 1)
		must(t, err)
		time.Sleep(5 * time.Second)
		if p.HighWatermark() != 2 || len(r.isr("t")) != 2 {
			t.Fatalf("high watermark %d with the ISR %v and an expansion under way", p.HighWatermark(), r.isr("t"))
		}
		// The answer to it comes when the partition has moved on.
		r.lead(change, 1, 1, 2)
		time.Sleep(2 * time.Minute)
		if p.HighWatermark() != 3 {
			t.Fatalf("high watermark %d", p.HighWatermark())
		}
		r.rule(func() { r.delay = 0 })
		r.links.SetPaused(3, false)
		time.Sleep(2 * time.Minute)
		if got := r.isr("t"); len(got) != 3 {
			t.Fatalf("ISR %v", got)
		}
	})
}

func TestISR_OnlyBrokersThatAreUpJoin(t *testing.T) {
	inRig(t, 2, Config{}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2)
		r.fence(2, true)
		r.lead(change, 1, 1)
		r.put(r.at(1, "t"), 3)
		time.Sleep(time.Minute)
		if got := r.isr("t"); !slices.Equal(got, []int32{1}) || r.asked.Load() != 0 {
			t.Fatalf("ISR %v, asked %d times", got, r.asked.Load())
		}
		r.same("t", 1, 2)
		r.fence(2, false)
		time.Sleep(time.Second)
		if got := r.isr("t"); len(got) != 2 {
			t.Fatalf("ISR %v once the broker is up", got)
		}
	})
}

func TestMinISR(t *testing.T) {
	inRig(t, 3, Config{LagTimeMax: 2 * time.Second}, func(t *testing.T, r *rig) {
		change := r.topic("t", map[string]string{"min.insync.replicas": "2"}, 1, 2, 3)
		p := r.at(1, "t")
		r.put(p, 2)
		r.links.SetPaused(2, true)
		r.links.SetPaused(3, true)
		a, err := add(p, 1)
		must(t, err)
		told := make(chan error, 1)
		p.NotifyAcks(a.Last, func(err error) { told <- err })
		if err := <-told; !errors.Is(err, kerr.NotEnoughReplicasAfterAppend) {
			t.Fatalf("the producer was told %v", err)
		}
		if got := r.isr("t"); !slices.Equal(got, []int32{1}) {
			t.Fatalf("ISR %v", got)
		}
		if _, err := add(p, 1); !errors.Is(err, kerr.NotEnoughReplicas) {
			t.Fatalf("with acks=all: %v", err)
		}
		if p.End() != 3 {
			t.Fatalf("a refused append was written: the log ends at %d", p.End())
		}
		b := oneBatch(1)
		if _, err := p.Append(b, 0, 1); err != nil {
			t.Fatalf("with acks=1: %v", err)
		}
		time.Sleep(time.Minute)
		if p.HighWatermark() != 2 { // KIP-966: what one replica has is not committed
			t.Fatalf("high watermark %d with one of two replicas", p.HighWatermark())
		}
		p.NotifyAcks(a.Last, func(err error) { told <- err })
		if err := <-told; !errors.Is(err, kerr.NotEnoughReplicasAfterAppend) {
			t.Fatalf("who comes later was told %v", err)
		}
		r.links.SetPaused(2, false)
		time.Sleep(time.Second)
		if p.HighWatermark() != 4 || len(r.isr("t")) != 2 {
			t.Fatalf("high watermark %d, ISR %v", p.HighWatermark(), r.isr("t"))
		}
		// More than there are replicas is what there are.
		v := "7"
		r.links.SetPaused(3, false)
		time.Sleep(time.Second)
		r.apply(metadata.ConfigRecord{Resource: metadata.Resource{Type: metadata.ResourceTopic, Name: "t"}, Name: "min.insync.replicas", Value: &v})
		r.put(p, 1)
		r.lead(change, 1, 1, 2)
		if _, err := add(p, 1); !errors.Is(err, kerr.NotEnoughReplicas) {
			t.Fatalf("with two of three: %v", err)
		}
	})
}

// The high watermark waits for a replica that is about to join, and no longer
// when it lags after all.
func TestISR_WhoIsRefusedHoldsUpNothing(t *testing.T) {
	inRig(t, 2, Config{LagTimeMax: 10 * time.Second}, func(t *testing.T, r *rig) {
		change := r.topic("t", nil, 1, 2)
		p := r.at(1, "t")
		r.put(p, 1)
		r.rule(func() { r.refuse = true })
		r.lead(change, 1, 1)
		time.Sleep(time.Minute)
		if got := r.isr("t"); len(got) != 1 || r.asked.Load() < 2 || r.asked.Load() > 60 {
			t.Fatalf("ISR %v, asked %d times", got, r.asked.Load())
		}
		r.links.SetPaused(2, true)
		_, err := add(p, 1)
		must(t, err)
		time.Sleep(5 * time.Second)
		if p.HighWatermark() != 1 {
			t.Fatalf("high watermark %d: it does not wait for who joins", p.HighWatermark())
		}
		time.Sleep(11 * time.Second)
		if p.HighWatermark() != 2 {
			t.Fatalf("high watermark %d: it waits for ever", p.HighWatermark())
		}
		r.links.SetPaused(2, false)
		r.rule(func() { r.refuse = false })
		time.Sleep(10 * time.Second)
		if got := r.isr("t"); len(got) != 2 {
			t.Fatalf("ISR %v", got)
		}
	})
}

// A follower whose broker was registered again, under another epoch, rejoins at
// once, also where nothing happens to the partition.
func TestISR_BrokerThatIsRegisteredAgainRejoins(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			inRig(t, 2, Config{}, func(t *testing.T, r *rig) {
				change := r.topic("t", nil, 1, 2)
				idle := r.topic("idle", nil, 1, 2)
				r.put(r.at(1, "t"), 5)
				r.fence(2, true)
				r.lead(change, 1, 1)
				r.lead(idle, 1, 1)
				if restart {
					r.stop(2, false)
					time.Sleep(time.Minute)
					r.start(2)
				}
				time.Sleep(time.Minute)
				r.apply(metadata.BrokerRegistrationRecord{ID: 2, Epoch: 20, Fenced: true})
				time.Sleep(100 * time.Millisecond)
				r.fence(2, false)
				time.Sleep(100 * time.Millisecond)
				if len(r.isr("t")) != 2 || len(r.isr("idle")) != 2 {
					t.Fatalf("ISR %v and %v", r.isr("t"), r.isr("idle"))
				}
			})
		})
	}
}
