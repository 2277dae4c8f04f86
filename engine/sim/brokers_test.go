package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/sim"
)

// pick returns a broker for which ok holds, or any one at times, to do what
// cannot be done. 0: there is none.
func (r *run) pick(rng *rand.Rand, ok func(id int32) bool) int32 {
	if rng.IntN(20) == 0 {
		return r.anyBroker(rng)
	}
	ids := slices.DeleteFunc(r.c.IDs(), func(id int32) bool { return !ok(id) })
	if len(ids) == 0 {
		return 0
	}
	return ids[rng.IntN(len(ids))]
}

func (r *run) up(id int32) bool { return !r.c.Down(id) && !r.c.Paused(id) }

// spared says that enough brokers are down or paused already: most of the time
// a majority is to be left, so that there is something to break.
func (r *run) spared(rng *rand.Rand) bool {
	up := 0
	for _, id := range r.c.IDs() {
		if r.up(id) {
			up++
		}
	}
	return up <= r.c.Setup.Brokers/2+1 && rng.IntN(4) > 0
}

func killBroker(r *run, ctx context.Context, rng *rand.Rand) {
	if r.spared(rng) {
		startBroker(r, ctx, rng)
		return
	}
	if id := r.pick(rng, func(id int32) bool { return !r.c.Down(id) }); id > 0 {
		r.c.Kill(id, sim.Crash(rng.IntN(3)))
	}
}

func stopBroker(r *run, ctx context.Context, rng *rand.Rand) {
	if r.spared(rng) {
		startBroker(r, ctx, rng)
		return
	}
	if id := r.pick(rng, r.up); id > 0 {
		r.c.Stop(ctx, id)
	}
}

func startBroker(r *run, ctx context.Context, rng *rand.Rand) {
	if id := r.pick(rng, r.c.Down); id > 0 {
		r.c.Start(ctx, id)
	}
}

func pauseBroker(r *run, ctx context.Context, rng *rand.Rand) {
	if r.spared(rng) {
		resumeBroker(r, ctx, rng)
		return
	}
	if id := r.pick(rng, r.up); id > 0 {
		r.c.Pause(id)
	}
}

func resumeBroker(r *run, _ context.Context, rng *rand.Rand) {
	if id := r.pick(rng, r.c.Paused); id > 0 {
		r.c.Resume(id)
	}
}

// blink pauses a broker for about as long as its session lasts.
func blink(r *run, ctx context.Context, rng *rand.Rand) {
	if id := r.pick(rng, r.up); id > 0 {
		r.c.Pause(id)
		wait(ctx, rng, 600*time.Millisecond)
		r.c.Resume(id)
	}
}

// sleepWell pauses all brokers for up to an hour, as a machine that is put to sleep
// does: the clock has jumped when they go on.
func sleepWell(r *run, ctx context.Context, rng *rand.Rand) {
	long := time.Duration(1 + rng.Int64N(int64(time.Hour)))
	for _, id := range r.c.IDs() {
		r.c.Pause(id)
	}
	r.w.Note("all brokers sleep for %v", long)
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	for _, id := range r.c.IDs() {
		r.c.Resume(id)
	}
}

// rolling restarts one broker after the other.
func rolling(r *run, ctx context.Context, rng *rand.Rand) {
	for _, i := range rng.Perm(r.c.Setup.Brokers) {
		r.c.Restart(ctx, int32(i+1))
		wait(ctx, rng, 500*time.Millisecond)
	}
}

// ways picks two brokers.
func (r *run) ways(rng *rand.Rand) (from, to int32) {
	from, to = r.anyBroker(rng), r.anyBroker(rng)
	if from == to {
		to = from%int32(r.c.Setup.Brokers) + 1
	}
	return from, to
}

func cutLink(r *run, _ context.Context, rng *rand.Rand) {
	from, to := r.ways(rng)
	both := rng.IntN(2) == 0
	r.c.Links(fmt.Sprintf("cut %d -> %d, both ways: %v", from, to, both), func(e *engine.Engine) {
		if e.Faults().Cut(from, to); both {
			e.Faults().Cut(to, from)
		}
	})
}

// isolate cuts all links of a broker, in one direction or both.
func isolate(r *run, _ context.Context, rng *rand.Rand) {
	id, in, out := r.anyBroker(rng), rng.IntN(4) > 0, rng.IntN(4) > 0
	r.c.Links(fmt.Sprintf("isolate broker %d: in %v, out %v", id, in, out), func(e *engine.Engine) {
		for _, other := range r.c.IDs() {
			if in && other != id {
				e.Faults().Cut(other, id)
			}
			if out && other != id {
				e.Faults().Cut(id, other)
			}
		}
	})
}

func slowLink(r *run, _ context.Context, rng *rand.Rand) {
	from, to := r.ways(rng)
	delay := time.Duration(rng.Int64N(int64(300 * time.Millisecond)))
	r.c.Links(fmt.Sprintf("%d -> %d takes %v", from, to, delay), func(e *engine.Engine) { e.Faults().SetDelay(from, to, delay) })
}

// flap cuts and heals a link again and again.
func flap(r *run, ctx context.Context, rng *rand.Rand) {
	from, to := r.ways(rng)
	for range 5 {
		r.c.Links(fmt.Sprintf("cut %d -> %d", from, to), func(e *engine.Engine) { e.Faults().Cut(from, to) })
		wait(ctx, rng, 300*time.Millisecond)
		r.c.Links(fmt.Sprintf("heal %d -> %d", from, to), func(e *engine.Engine) { e.Faults().Heal(from, to) })
		wait(ctx, rng, 300*time.Millisecond)
	}
}

func healLinks(r *run, _ context.Context, _ *rand.Rand) { r.c.HealLinks() }

func preferred(r *run, ctx context.Context, rng *rand.Rand) {
	err := r.admin.elect(ctx, r.anyBroker(rng))
	r.w.Note("elect the preferred leaders: %v", err)
}

// reassign moves a partition to other brokers.
func reassign(r *run, ctx context.Context, rng *rand.Rand) {
	parts := r.parts()
	p := parts[rng.IntN(len(parts))]
	ids := r.c.IDs()
	rng.Shuffle(len(ids), func(i, k int) { ids[i], ids[k] = ids[k], ids[i] })
	ids = ids[:1+rng.IntN(min(3, len(ids)))]
	if p.Topic == r.orders.name {
		ids = r.c.IDs()[:min(3, r.c.Setup.Brokers)] // min.insync.replicas is to be reached
	}
	err := r.admin.reassign(ctx, r.anyBroker(rng), p, ids)
	r.w.Note("reassign %v to %v: %v", p, ids, err)
}
