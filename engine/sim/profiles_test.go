package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/sim"
	"github.com/logarium/logarium/engine/sim/check"
	"github.com/logarium/logarium/engine/vfs"
)

// linearity says how the history of the register is judged.
type linearity int

const (
	strict    linearity = iota // every answer is of the moment
	stale                      // an old leader may tell an old end
	unchecked                  // not at all
)

// profile is a kind of trouble.
type profile struct {
	name    string
	brokers int // 0: the seed decides
	steps   int
	faults  []fault
	linear  linearity
	// breaksDisks: a close may fail, as disks do.
	breaksDisks bool
}

// fault is one thing that can happen.
type fault struct {
	weight int
	do     func(r *run, ctx context.Context, rng *rand.Rand)
}

// profiles are the kinds of trouble that seeds are run with.
var profiles = []profile{
	{name: "calm", steps: 5, faults: []fault{{1, nothing}}},
	{name: "clients", steps: 25, linear: stale, faults: []fault{{3, cutClients}, {3, slowClients}, {3, resetClients}, {3, healClients}, {1, churn}}},
	{name: "power", steps: 14, linear: stale, faults: []fault{{3, powerCut}, {1, killProcess}, {1, restartProcess}, {2, nothing}, {1, resetClients}, {1, powerCutInside}}},
	{name: "disks", steps: 12, linear: stale, breaksDisks: true, faults: []fault{{3, slowDisk}, {1, failingDisk}, {3, calmDisks}, {1, powerCut}, {1, restartProcess}}},
	{name: "growth", steps: 25, linear: stale, faults: []fault{
		{3, newTopic}, {2, morePartitions}, {1, oldTopic}, {2, otherSetting}, {1, deleteSome}, {1, churn}, {1, powerCut}, {2, reassign}, {1, preferred}, {1, killBroker}, {1, startBroker},
	}},
	{name: "kills", brokers: 3, steps: 25, linear: stale, faults: []fault{{4, killBroker}, {1, stopBroker}, {4, startBroker}, {1, resetClients}, {3, slowLink}, {1, healLinks}}},
	{name: "pauses", brokers: 3, steps: 20, linear: stale, faults: []fault{{3, pauseBroker}, {3, resumeBroker}, {2, blink}, {1, sleepWell}, {1, killBroker}, {1, startBroker}}},
	{name: "links", brokers: 3, steps: 25, linear: stale, faults: []fault{{3, cutLink}, {2, isolate}, {2, slowLink}, {1, flap}, {3, healLinks}, {1, resetClients}}},
	{name: "rolling", brokers: 3, steps: 4, linear: stale, faults: []fault{{3, rolling}, {1, churn}, {1, preferred}}},
	{name: "storm", steps: 40, linear: stale, breaksDisks: true, faults: []fault{
		{2, killBroker}, {1, stopBroker}, {5, startBroker}, {1, pauseBroker}, {2, resumeBroker}, {1, blink}, {2, cutLink}, {1, isolate}, {1, slowLink}, {3, healLinks},
		{1, powerCut}, {1, powerCutInside}, {1, slowDisk}, {1, calmDisks}, {1, churn}, {1, newTopic}, {1, oldTopic}, {1, morePartitions}, {1, reassign}, {1, preferred},
		{1, cutClients}, {1, resetClients}, {2, healClients}, {1, deleteSome}, {1, otherSetting},
	}},
}

func nothing(*run, context.Context, *rand.Rand) {}

// anyBroker picks one.
func (r *run) anyBroker(rng *rand.Rand) int32 { return int32(1 + rng.IntN(r.c.Setup.Brokers)) }

// anyClient picks the host of a client.
func (r *run) anyClient(rng *rand.Rand) string {
	names := []string{"browser-1", "browser-2", "register-1", "register-2", "register-3", netx.AnyHost}
	for _, p := range r.producers {
		names = append(names, p.name)
	}
	for _, g := range r.groups {
		g.mu.Lock()
		for _, m := range g.members {
			names = append(names, m.name)
		}
		g.mu.Unlock()
	}
	return names[rng.IntN(len(names))]
}

func cutClients(r *run, _ context.Context, rng *rand.Rand) {
	who, broker := r.anyClient(rng), sim.Address(r.anyBroker(rng))
	r.w.Note("cut %s from %s", who, broker)
	r.w.Net.SetLink(who, broker, netx.Link{Cut: true})
}

func slowClients(r *run, _ context.Context, rng *rand.Rand) {
	who, broker, latency := r.anyClient(rng), sim.Address(r.anyBroker(rng)), time.Duration(rng.Int64N(int64(500*time.Millisecond)))
	r.w.Note("slow %s to %s down to %v", who, broker, latency)
	r.w.Net.SetLink(who, broker, netx.Link{Latency: latency, Bandwidth: 1000 + rng.Int64N(1<<20)})
}

func resetClients(r *run, _ context.Context, rng *rand.Rand) {
	who, broker := r.anyClient(rng), sim.Address(r.anyBroker(rng))
	r.w.Note("reset %d connections of %s to %s", r.w.Net.Reset(who, broker), who, broker)
}

func healClients(r *run, _ context.Context, rng *rand.Rand) {
	r.w.Note("heal the links of clients")
	r.w.Net.Heal()
	r.weather(rng)
}

// churn lets members of groups come and go.
func churn(r *run, ctx context.Context, rng *rand.Rand) {
	g := r.groups[rng.IntN(len(r.groups))]
	switch rng.IntN(3) {
	case 0:
		r.w.Note("a member joins %s", g.name)
		g.join(r.workCtx)
	case 1:
		r.w.Note("a member leaves %s, another joins", g.name)
		g.leave(false)
		g.join(r.workCtx)
	default:
		r.w.Note("a member of %s vanishes, another joins", g.name)
		g.leave(true)
		g.join(r.workCtx)
	}
}

func (r *run) reopen(ctx context.Context, rng *rand.Rand) {
	wait(ctx, rng, 2*time.Second)
	r.open(ctx)
}

func powerCut(r *run, ctx context.Context, rng *rand.Rand) {
	r.c.PowerCut(ctx)
	r.reopen(ctx, rng)
}

func killProcess(r *run, ctx context.Context, rng *rand.Rand) {
	r.c.KillAll(ctx)
	r.reopen(ctx, rng)
}

func restartProcess(r *run, ctx context.Context, rng *rand.Rand) {
	if err := r.c.Close(ctx); err != nil && !r.p.breaksDisks {
		r.w.Ledger.Break(check.Failed, "closing the cluster: %v", err)
	}
	r.reopen(ctx, rng)
}

// powerCutInside cuts the power in the midst of some call on some disk.
func powerCutInside(r *run, ctx context.Context, rng *rand.Rand) {
	id := int32(rng.IntN(r.c.Setup.Brokers + 1))
	op := []vfs.Op{vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpCreate}[rng.IntN(4)]
	struck := make(chan struct{}, 1)
	remove := r.w.Disk(id).Inject(vfs.Fault{Op: op, Skip: rng.IntN(20), Times: 1, Do: func(vfs.Op, string) {
		r.w.PowerCut(id, vfs.PowerCut())
		struck <- struct{}{}
	}})
	defer remove()
	select {
	case <-struck:
		r.w.Note("power cut at a %s of disk %d", op, id)
	case <-time.After(3 * time.Second):
	case <-ctx.Done():
	}
	r.c.PowerCut(ctx)
	r.reopen(ctx, rng)
}

func slowDisk(r *run, _ context.Context, rng *rand.Rand) {
	id := int32(rng.IntN(r.c.Setup.Brokers + 1))
	delay := []time.Duration{10 * time.Millisecond, 200 * time.Millisecond, 2 * time.Second}[rng.IntN(3)]
	r.w.Note("disk %d: syncs take %v", id, delay)
	r.w.Disk(id).Inject(vfs.Fault{Op: vfs.OpSync, Delay: delay})
}

// failingDisk makes calls on a disk fail: for ever until it is changed, or for a while.
func failingDisk(r *run, _ context.Context, rng *rand.Rand) {
	id := int32(rng.IntN(r.c.Setup.Brokers + 1))
	op := []vfs.Op{vfs.OpSync, vfs.OpWrite}[rng.IntN(2)]
	err := []error{syscall.EIO, syscall.ENOSPC}[rng.IntN(2)]
	times := 1 + rng.IntN(3)
	r.w.Note("disk %d: %d of %s fail with %v", id, times, op, err)
	r.c.Sick(id)
	r.w.Disk(id).Inject(vfs.Fault{Op: op, Skip: rng.IntN(10), Times: times, Err: err, Short: rng.IntN(2) == 0})
}

func calmDisks(r *run, _ context.Context, _ *rand.Rand) {
	r.w.Note("all disks are well")
	for _, id := range append(r.c.IDs(), sim.Process) {
		r.w.Calm(id)
	}
}

// adminTime bounds one act of an administrator while things go wrong.
const adminTime = 20 * time.Second

func newTopic(r *run, ctx context.Context, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	r.extras++
	t := &topic{name: fmt.Sprint("extra-", r.extras), partitions: 1 + rng.Int32N(6), factor: int16(1 + rng.IntN(min(3, r.c.Setup.Brokers)))}
	err := r.create(ctx, t)
	r.w.Note("create %s with %d partitions, %d replicas: %v", t.name, t.partitions, t.factor, err)
}

// anyExtra picks a topic that was made in the midst, nil if there is none.
func (r *run) anyExtra(rng *rand.Rand) *topic {
	r.mu.Lock()
	defer r.mu.Unlock()
	extras := r.topics[min(len(r.topics), basicTopics):]
	if len(extras) == 0 {
		return nil
	}
	return extras[rng.IntN(len(extras))]
}

func morePartitions(r *run, ctx context.Context, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	t := r.anyExtra(rng)
	if t == nil {
		return
	}
	more := t.partitions + 1 + rng.Int32N(3)
	done := r.w.Ledger.Change(t.name, fmt.Sprint(more))
	err := r.admin.grow(ctx, r.c.IDs(), t.name, more)
	done(err == nil)
	r.w.Note("grow %s to %d partitions: %v", t.name, more, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		t.partitions = more
	}
}

func oldTopic(r *run, ctx context.Context, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	t := r.anyExtra(rng)
	if t == nil {
		return
	}
	r.forget(t)
	done := r.w.Ledger.Change(t.name, check.Absent)
	err := r.admin.remove(ctx, r.c.IDs(), t.name)
	done(err == nil)
	r.w.Note("delete %s: %v", t.name, err)
}

func otherSetting(r *run, ctx context.Context, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	value := fmt.Sprint(100_000_000 + rng.IntN(1000))
	done := r.w.Ledger.Change(r.orders.name+":retention.ms", value)
	err := r.admin.configure(ctx, r.c.IDs(), r.orders.name, "retention.ms", value)
	done(err == nil)
	r.w.Note("set retention.ms of %s to %s: %v", r.orders.name, value, err)
}

// deleteSome deletes the first records of the topic weak.
func deleteSome(r *run, ctx context.Context, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(ctx, adminTime)
	defer cancel()
	p := check.Part{Topic: r.weak.name}
	below := rng.Int64N(30)
	r.w.Ledger.Delete(p, below)
	err := r.admin.deleteRecords(ctx, r.c.IDs(), p, below)
	r.w.Note("delete records of %v below %d: %v", p, below, err)
}
