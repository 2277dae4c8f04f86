package controller

import (
	"slices"

	"github.com/logarium/logarium/engine/metadata"
)

// placement spreads partitions over brokers by the goals of Apache Kafka's
// striped placer: first evenly over racks, the leaders too; then evenly over
// the brokers of each rack; on brokers that are not active only where there are
// too few others, and never the leader. It goes on from where the partitions
// there are end, so that equal requests in equal states have equal outcomes.
type placement struct {
	racks  []*rack // those that have an active broker first
	live   int     // how many of racks have one
	at     int
	active map[int32]bool
	total  int // brokers
}

// rack is the brokers of one rack, or all those without a rack.
type rack struct {
	active, others []int32
	next           int // counts the partitions whose followers began here
}

func newPlacement(img *metadata.Image) placement {
	p := placement{at: img.PartitionCount(), active: make(map[int32]bool)}
	byName := make(map[string]*rack)
	var names []string
	for _, b := range img.Brokers() {
		r := byName[b.Rack]
		if r == nil {
			r = &rack{next: p.at}
			byName[b.Rack] = r
			names = append(names, b.Rack)
		}
		if b.Active() {
			r.active = append(r.active, b.ID)
			p.active[b.ID] = true
		} else {
			r.others = append(r.others, b.ID)
		}
		p.total++
	}
	slices.Sort(names)
	for _, live := range []bool{true, false} {
		for _, name := range names {
			if r := byName[name]; (len(r.active) > 0) == live {
				p.racks = append(p.racks, r)
			}
		}
		if live {
			p.live = len(p.racks)
		}
	}
	return p
}

// next places partitions. There is an active broker, and factor is at most the
// number of brokers.
func (p *placement) next(partitions, factor int) [][]int32 {
	out := make([][]int32, partitions)
	ids := make([]int32, partitions*factor)
	for i := range out {
		out[i], ids = ids[:0:factor], ids[factor:]
		out[i] = p.place(out[i], factor)
	}
	return out
}

// place fills the replicas of one partition: one from each rack in turn, from
// the leader's on, and round again.
func (p *placement) place(to []int32, factor int) []int32 {
	first, taken := p.at%p.live, make([]int, len(p.racks))
	begin := make([]int, len(p.racks)) // where the replicas of each rack begin
	begin[first] = p.at / p.live
	for n := 0; len(to) < factor; n++ {
		q := (first + n) % len(p.racks)
		r := p.racks[q]
		if taken[q] == 0 && n > 0 {
			begin[q] = r.next
			r.next++
		}
		if id, ok := r.pick(begin[q], taken[q]); ok {
			to = append(to, id)
		}
		taken[q]++
	}
	p.at++
	return to
}

// pick returns the nth broker of a partition in this rack. The distance from
// the first grows with each round, so that the partitions that begin on one
// broker have different others.
func (r *rack) pick(begin, n int) (int32, bool) {
	size := len(r.active)
	switch {
	case n == 0 && size > 0:
		return r.active[begin%size], true
	case n < size:
		return r.active[(begin%size+1+(begin/size+n-1)%(size-1))%size], true
	case n < size+len(r.others):
		return r.others[(begin+n-size)%len(r.others)], true
	}
	return 0, false
}

// alive returns those of replicas that are active.
func (p *placement) alive(replicas []int32) []int32 {
	out := make([]int32, 0, len(replicas))
	for _, id := range replicas {
		if p.active[id] {
			out = append(out, id)
		}
	}
	return out
}
