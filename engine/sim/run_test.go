package sim_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/sim"
	"github.com/logarium/logarium/engine/sim/check"
)

const (
	// settling is how long the cluster may take to be whole again after all
	// faults are healed: every partition writable, every replica in sync.
	settling = 2 * time.Minute
	// registerOps is how many operations each client of the register does.
	registerOps = 40
	// basicTopics is how many topics every run begins with.
	basicTopics = 5
)

// topic is one of the topics of a run.
type topic struct {
	name       string
	partitions int32
	factor     int16
	configs    []string
	policy     check.Policy
}

// run is one seed of one profile.
type run struct {
	w *sim.World
	c *sim.Cluster
	p profile

	processes int // how often the process was started

	mu     sync.Mutex
	topics []*topic

	orders, weak, aging, single, register_ *topic

	extras  int             // topics made in the midst so far
	workCtx context.Context // ends when the clients are to end

	admin     *rawClient
	groups    []*group
	producers []*producer
	working   sync.WaitGroup
	ops       [][]check.Op // of each client of the register
	settled   []check.Op   // done to the register when all was healed

	registered []check.Record // all that was in the register when it was audited last
}

// play runs a profile with a seed. What went wrong is in the ledger.
func play(ctx context.Context, w *sim.World, p profile) *run {
	rng := w.Rand("setup")
	setup := sim.Setup{Brokers: p.brokers, Durability: replica.Group}
	if setup.Brokers == 0 {
		setup.Brokers = []int{3, 3, 3, 5, 1}[rng.IntN(5)]
	}
	r := &run{w: w, p: p, c: sim.NewCluster(w, setup)}
	r.c.Told = r.told
	r.weather(rng)
	r.admin = newRaw(w, "admin")
	defer r.admin.close()
	defer r.c.Abandon(ctx)
	if !r.open(ctx) || !r.createTopics(ctx) {
		return r
	}
	var stop context.CancelFunc
	r.workCtx, stop = context.WithCancel(ctx)
	defer stop()
	r.startWork(r.workCtx)
	r.trouble(ctx)
	r.heal(ctx)
	if r.ok() {
		r.settle(ctx)
	}
	r.finish(ctx, stop)
	return r
}

// weather sets how long syncs, and ways between clients and brokers, take: long
// enough that faults strike while something is under way.
func (r *run) weather(rng *rand.Rand) {
	sync := []time.Duration{0, time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond}[rng.IntN(4)]
	link := []time.Duration{100 * time.Microsecond, time.Millisecond, 10 * time.Millisecond}[rng.IntN(3)]
	r.w.Weather(sync, link)
}

// ok says whether no rule was broken so far.
func (r *run) ok() bool { return len(r.w.Ledger.Violations()) == 0 }

// open starts the process.
func (r *run) open(ctx context.Context) bool {
	r.processes++
	if err := r.c.Open(ctx); err != nil {
		r.w.Ledger.Break(check.Stuck, "the process does not start: %v", err)
		return false
	}
	return true
}

// createTopics makes the topics that all profiles use.
func (r *run) createTopics(ctx context.Context) bool {
	factor := int16(min(3, r.c.Setup.Brokers))
	inSync := strconv.Itoa(min(2, r.c.Setup.Brokers))
	r.orders = &topic{name: "orders", partitions: 3, factor: factor, configs: []string{"min.insync.replicas", inSync, "segment.ms", "20000"}}
	r.weak = &topic{name: "weak", partitions: 1, factor: factor} // its first records are deleted at times
	r.single = &topic{name: "single", partitions: 2, factor: 1}
	r.register_ = &topic{name: "register", partitions: 1, factor: factor}
	r.aging = &topic{
		name: "aging", partitions: 1, factor: factor, configs: []string{"retention.ms", "60000", "segment.ms", "10000"},
		policy: check.Policy{Retention: time.Minute},
	}
	for _, t := range []*topic{r.orders, r.weak, r.single, r.register_, r.aging} {
		if err := r.create(ctx, t); err != nil {
			r.w.Ledger.Break(check.Failed, "creating the topic %s: %v", t.name, err)
			return false
		}
	}
	return true
}

// create makes a topic and remembers it.
func (r *run) create(ctx context.Context, t *topic) error {
	r.w.Ledger.Topic(t.name, t.policy)
	done := r.w.Ledger.Change(t.name, fmt.Sprint(t.partitions))
	err := r.admin.create(ctx, r.c.IDs(), t.name, t.partitions, t.factor, t.configs...)
	done(err == nil)
	if err == nil {
		r.mu.Lock()
		r.topics = append(r.topics, t)
		r.mu.Unlock()
	}
	return err
}

// forget drops a topic that is deleted: nobody audits it any more.
func (r *run) forget(t *topic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics = slices.DeleteFunc(r.topics, func(other *topic) bool { return other == t })
}

// parts returns all partitions of all topics.
func (r *run) parts() []check.Part {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []check.Part
	for _, t := range r.topics {
		for i := range t.partitions {
			out = append(out, check.Part{Topic: t.name, Index: i})
		}
	}
	return out
}

// startWork starts all clients; they go on until ctx ends.
func (r *run) startWork(ctx context.Context) {
	for i, t := range []*topic{r.orders, r.orders, r.single, r.aging, r.weak} {
		p := r.newProducer(fmt.Sprintf("producer-%d", i+1), t.name, t.partitions, t != r.weak)
		r.producers = append(r.producers, p)
		r.working.Go(func() { p.send(ctx) })
	}
	for _, t := range []*topic{r.orders, r.single} {
		g := r.newGroup("readers-of-"+t.name, t.name)
		r.groups = append(r.groups, g)
		g.join(ctx)
		g.join(ctx)
	}
	for i, t := range []*topic{r.orders, r.weak, r.aging} {
		r.working.Go(func() { r.browse(ctx, fmt.Sprintf("browser-%d", i+1), t) })
	}
	r.ops = make([][]check.Op, 3)
	for i := range r.ops {
		r.working.Go(func() {
			r.ops[i] = r.register(ctx, i+1, registerOps, check.Part{Topic: r.register_.name})
		})
	}
	r.working.Go(func() { r.watch(ctx) })
}

// trouble makes one fault after the other, until there were enough or a rule is broken.
func (r *run) trouble(ctx context.Context) {
	rng := r.w.Rand("faults")
	pause := func(about time.Duration) { wait(ctx, rng, about) }
	pause(2 * time.Second)
	for range r.p.steps {
		if !r.ok() || ctx.Err() != nil {
			return
		}
		r.strike(ctx, rng)
		if rng.IntN(4) == 0 { // faults come in groups, too
			pause(50 * time.Millisecond)
		} else {
			pause(3 * time.Second)
		}
	}
}

// strike does one of the profile's faults.
func (r *run) strike(ctx context.Context, rng *rand.Rand) {
	sum := 0
	for _, f := range r.p.faults {
		sum += f.weight
	}
	at := rng.IntN(sum)
	for _, f := range r.p.faults {
		if at -= f.weight; at < 0 {
			f.do(r, ctx, rng)
			return
		}
	}
}

// heal ends all faults.
func (r *run) heal(ctx context.Context) {
	r.w.Note("heal everything")
	r.w.Net.Heal()
	r.w.Weather(0, 0)
	r.c.Heal(ctx, settling)
	if r.c.Engine() == nil && r.ok() {
		r.open(ctx)
	}
}

// cutClient cuts all links of a client.
func (r *run) cutClient(name string) { r.w.Net.SetLink(name, sim.Host, netx.Link{Cut: true}) }
