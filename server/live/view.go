package live

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// Quotas bound a frame to 8 KB whatever the size of the cluster: what does not
// fit comes with the next frames, in turn, and nothing is lost, since each
// entry holds all that happened since its last turn.
const (
	partitionQuota = 130
	replicaQuota   = 140
	lagQuota       = 100
	linkQuota      = 140
	fineLinks      = 300 // up to so many links end at partitions, beyond at brokers
)

// View names for Subscribe. ViewEvents gets state events and nothing else; a
// view of one topic, group or broker is made by TopicView and its like.
const (
	ViewCluster = "cluster"
	ViewEvents  = "events"
)

// TopicView names the view of one topic.
func TopicView(name string) string { return "topic:" + name }

// GroupView names the view of one consumer group.
func GroupView(name string) string { return "group:" + name }

// BrokerView names the view of one broker.
func BrokerView(id int32) string { return "broker:" + strconv.Itoa(int(id)) }

// scope says what belongs to a view.
type scope struct {
	none   bool
	topic  string
	group  string
	broker int32 // -1: any
}

// parseView reads the name of a view.
func parseView(name string) (scope, error) {
	s := scope{broker: -1}
	kind, arg, _ := strings.Cut(name, ":")
	switch {
	case name == ViewCluster:
	case name == ViewEvents:
		s.none = true
	case kind == "topic" && arg != "":
		s.topic = arg
	case kind == "group" && arg != "":
		s.group = arg
	case kind == "broker":
		id, err := strconv.ParseInt(arg, 10, 32)
		if err != nil || id < 0 {
			return s, fmt.Errorf("no view is named %q", name)
		}
		s.broker = int32(id)
	default:
		return s, fmt.Errorf("no view is named %q", name)
	}
	return s, nil
}

// partitions returns the world's partitions in scope.
func (s scope) partitions(w *world) []*partition {
	if s.none {
		return nil
	}
	var ofGroup map[*partition]bool
	if s.group != "" {
		ofGroup = make(map[*partition]bool)
		for _, g := range w.lagList {
			if g.group.name == s.group && g.part != nil {
				ofGroup[g.part] = true
			}
		}
	}
	var out []*partition
	for _, p := range w.partList {
		switch {
		case s.topic != "" && p.topic.Name != s.topic,
			s.group != "" && !ofGroup[p],
			s.broker >= 0 && !slices.ContainsFunc(p.replicas, func(r *replica) bool { return r.c.Broker == s.broker }):
		default:
			out = append(out, p)
		}
	}
	return out
}

// view is a scope with what its readers have been sent so far. All readers of
// a view get the same frames.
type view struct {
	name  string
	scope scope
	subs  map[*Subscriber]struct{}

	rev    uint64 // of the world, that the structure below is of
	fine   bool
	frames uint64
	last   time.Time

	brokers map[int32]*BrokerDelta // sums sent
	parts   []*vpart               // by id
	reps    []*vreplica            // by id
	links   []*vlink               // by id
	lags    []*vlag                // by id
	byKey   map[flow]*vlink
	route   []*vlink // by index in world.linkList; nil: not in the picture
	known   Model    // what the readers hold, without numbers

	partCursor, repCursor, linkCursor, lagCursor int
}

type vpart struct {
	p        *partition
	sent     PartitionDelta
	replicas []*vreplica // in the order of the partition's
}

type vreplica struct {
	r    *replica
	p    *partition
	sent ReplicaDelta
}

type vlag struct {
	g              *lag
	committed, lag int64
}

// flow is a link of the picture: of a client to a partition, or to a broker.
type flow struct {
	direction event.Direction
	client    int
	partition int
	broker    int32
}

type vlink struct {
	flow
	id        int
	sum, sent int64
}

// newView returns a view whose readers start from the world as it is: what
// happened before is in the model, not in a frame.
func newView(name string, s scope, w *world, now time.Time) *view {
	v := &view{
		name: name, scope: s, last: now, fine: true,
		subs:    make(map[*Subscriber]struct{}),
		brokers: make(map[int32]*BrokerDelta),
		byKey:   make(map[flow]*vlink),
	}
	v.restructure(w)
	for _, b := range w.brokers {
		d := v.brokerDelta(b)
		v.brokers[b.ID] = &d
	}
	for _, p := range v.parts {
		p.sent = p.now()
	}
	for _, r := range v.reps {
		r.sent = r.now()
	}
	for i, l := range w.linkList {
		if vl := v.route[i]; vl != nil {
			vl.sum += l.seen
			vl.sent += l.seen
		}
	}
	for _, g := range v.lags {
		g.committed, g.lag = g.g.committed, g.g.lag
	}
	v.known = *v.describe(w, now)
	return v
}

func (p *vpart) now() PartitionDelta {
	return PartitionDelta{p.p.id, p.p.in, p.p.out, p.p.hw, p.p.end, p.p.start}
}

func (r *vreplica) now() ReplicaDelta { return ReplicaDelta{r.r.id, r.r.replicated, r.r.end} }

// restructure follows the world's structure: what is new is counted from zero.
func (v *view) restructure(w *world) {
	v.rev = w.rev
	old := make(map[*partition]*vpart, len(v.parts))
	for _, p := range v.parts {
		old[p.p] = p
	}
	inScope := make(map[*partition]bool)
	v.parts = v.parts[:0:0]
	for _, p := range v.scope.partitions(w) {
		inScope[p] = true
		vp := old[p]
		if vp == nil {
			vp = &vpart{p: p}
		}
		v.parts = append(v.parts, vp)
	}
	slices.SortFunc(v.parts, func(a, b *vpart) int { return cmp.Compare(a.p.id, b.p.id) })
	v.takeReplicas()
	v.routeLinks(w, inScope)

	oldLags := make(map[*lag]*vlag, len(v.lags))
	for _, g := range v.lags {
		oldLags[g.g] = g
	}
	v.lags = v.lags[:0:0]
	for _, g := range w.lagList { // ascending by id
		if g.part == nil || !inScope[g.part] || (v.scope.group != "" && g.group.name != v.scope.group) {
			continue
		}
		vg := oldLags[g]
		if vg == nil {
			vg = &vlag{g: g, committed: -1}
		}
		v.lags = append(v.lags, vg)
	}
}

// takeReplicas follows the replicas of the view's partitions.
func (v *view) takeReplicas() {
	old := make(map[*replica]*vreplica, len(v.reps))
	for _, r := range v.reps {
		old[r.r] = r
	}
	v.reps = v.reps[:0:0]
	for _, p := range v.parts {
		p.replicas = make([]*vreplica, len(p.p.replicas))
		for i, r := range p.p.replicas {
			x := old[r]
			if x == nil {
				x = &vreplica{r: r, p: p.p}
			}
			p.replicas[i] = x
			v.reps = append(v.reps, x)
		}
	}
	slices.SortFunc(v.reps, func(a, b *vreplica) int { return cmp.Compare(a.r.id, b.r.id) })
}

// routeLinks decides which link of the picture each of the hub's links counts
// for. Links end at partitions while there are few, else at brokers.
func (v *view) routeLinks(w *world, inScope map[*partition]bool) {
	shown := func(l *link) bool {
		return !l.hidden && l.part != nil && inScope[l.part] && l.client.visible
	}
	n := 0
	for _, l := range w.linkList {
		if shown(l) {
			n++
		}
	}
	v.fine = n <= fineLinks && (v.fine || n <= fineLinks*2/3)
	used := make(map[flow]*vlink, len(v.byKey))
	v.route = make([]*vlink, len(w.linkList))
	for i, l := range w.linkList {
		if !shown(l) {
			continue
		}
		k := flow{direction: l.c.Direction, client: l.client.id}
		if v.fine {
			k.partition = l.part.id
		} else {
			k.broker = l.part.leader
		}
		vl := used[k]
		if vl == nil {
			if vl = v.byKey[k]; vl == nil {
				vl = &vlink{flow: k, id: w.id()}
			}
			used[k] = vl
		}
		v.route[i] = vl
	}
	v.byKey = used
	v.links = v.links[:0:0]
	for _, vl := range used {
		v.links = append(v.links, vl)
	}
	slices.SortFunc(v.links, func(a, b *vlink) int { return cmp.Compare(a.id, b.id) })
}

// publish makes the frame for the span since the last one and hands it, and
// the patch that it needs if the structure changed, to every reader.
func (v *view) publish(w *world, now time.Time, fine, second *Row) {
	if v.scope.none {
		return
	}
	var patch *Model
	if v.rev != w.rev {
		v.restructure(w)
		patch = v.patch(w, now)
	}
	for i, l := range w.linkList {
		if vl := v.route[i]; vl != nil {
			vl.sum += l.delta
		}
	}
	f := v.frame(w, now)
	if fine != nil {
		f.Fine = []Row{*fine}
	}
	if second != nil {
		f.Second = []Row{*second}
	}
	for s := range v.subs {
		s.offer(patch, f)
	}
}

func (v *view) frame(w *world, now time.Time) *Frame {
	v.frames++
	f := &Frame{No: v.frames, Time: now.UnixMilli(), Window: now.Sub(v.last).Milliseconds()}
	v.last = now
	f.Brokers = v.brokerFrame(w)
	f.Partitions = turn(v.parts, &v.partCursor, partitionQuota, func(p *vpart) (d PartitionDelta, moved bool) {
		n := p.now()
		d = PartitionDelta{n.ID, n.In - p.sent.In, n.Out - p.sent.Out, n.HW - p.sent.HW, n.End - p.sent.End, n.Start - p.sent.Start}
		moved = n != p.sent
		p.sent = n
		return d, moved
	})
	f.Replicas = turn(v.reps, &v.repCursor, replicaQuota, func(r *vreplica) (d ReplicaDelta, moved bool) {
		if r.p.leader == r.r.c.Broker {
			return d, false // the partition tells it; what it owes as a follower comes when it follows again
		}
		n := r.now()
		d = ReplicaDelta{n.ID, n.Records - r.sent.Records, n.End - r.sent.End}
		moved = n != r.sent
		r.sent = n
		return d, moved
	})
	f.Links = turn(v.links, &v.linkCursor, linkQuota, func(l *vlink) (LinkDelta, bool) {
		d := l.sum - l.sent
		l.sent = l.sum
		return LinkDelta{l.id, d}, d != 0
	})
	f.Lags = turn(v.lags, &v.lagCursor, lagQuota, func(g *vlag) (d LagDelta, moved bool) {
		d = LagDelta{g.g.id, g.g.committed - g.committed, g.g.lag}
		moved = d.Committed != 0 || g.lag != d.Lag
		g.committed, g.lag = g.g.committed, g.g.lag
		return d, moved
	})
	return f
}

func (v *view) brokerDelta(b *broker) BrokerDelta {
	return BrokerDelta{int(b.ID), b.in, b.out, b.bytesIn, b.bytesOut, b.conns, b.size}
}

func (v *view) brokerFrame(w *world) []BrokerDelta {
	var out []BrokerDelta
	for _, b := range w.brokers {
		if v.scope.broker >= 0 && b.ID != v.scope.broker {
			continue
		}
		sent := v.brokers[b.ID]
		if sent == nil {
			sent = &BrokerDelta{ID: int(b.ID)}
			v.brokers[b.ID] = sent
		}
		n := v.brokerDelta(b)
		if n != *sent {
			d := n
			d.In, d.Out, d.BytesIn, d.BytesOut = n.In-sent.In, n.Out-sent.Out, n.BytesIn-sent.BytesIn, n.BytesOut-sent.BytesOut
			out = append(out, d)
			*sent = n
		}
	}
	slices.SortFunc(out, func(a, b BrokerDelta) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// turn goes round list from where it stopped the last time and collects what
// take says has moved, up to quota entries, ascending by id as list is.
func turn[S, D any](list []S, cursor *int, quota int, take func(S) (D, bool)) []D {
	if *cursor >= len(list) {
		*cursor = 0
	}
	start := *cursor
	var upper, lower []D
	for n := 0; n < len(list); n++ {
		if len(upper)+len(lower) == quota {
			break
		}
		i := start + n
		if i >= len(list) {
			i -= len(list)
		}
		*cursor = i + 1
		if d, moved := take(list[i]); moved {
			if i >= start {
				upper = append(upper, d)
			} else {
				lower = append(lower, d)
			}
		}
	}
	return append(lower, upper...)
}
