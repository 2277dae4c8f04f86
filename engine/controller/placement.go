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
	held           map[int32]int // replicas placed so far, with several racks
	next           int           // where to begin among those that hold as many
}

func newPlacement(img *metadata.Image) placement {
	p := placement{at: img.PartitionCount(), active: make(map[int32]bool)}
	byName := make(map[string]*rack)
	var names []string
	for _, b := range img.Brokers() {
		r := byName[b.Rack]
		if r == nil {
			r = &rack{next: p.at, held: make(map[int32]int)}
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
	first, turn := p.at%p.live, p.at/p.live
	p.at++
	if len(p.racks) == 1 {
		for n := range factor {
			to = append(to, p.racks[0].nth(turn, n))
		}
		return to
	}
	leader := p.racks[first]
	to = append(to, leader.active[turn%len(leader.active)])
	leader.held[to[0]]++
	for q := first + 1; len(to) < factor; q++ {
		if id, ok := p.racks[q%len(p.racks)].least(to); ok {
			to = append(to, id)
		}
	}
	return to
}

// nth returns the nth broker of a partition in the only rack there is. Its
// distance from the leader grows with each round, so that the partitions of one
// leader have different followers.
func (r *rack) nth(turn, n int) int32 {
	size := len(r.active)
	switch {
	case n == 0:
		return r.active[turn%size]
	case n < size:
		return r.active[(turn%size+1+(turn/size+n-1)%(size-1))%size]
	}
	return r.others[(turn+n-size)%len(r.others)]
}

// least returns the broker that holds the fewest replicas and is not in taken,
// an active one where there is one; false if all are taken.
func (r *rack) least(taken []int32) (id int32, ok bool) {
	for _, list := range [][]int32{r.active, r.others} {
		for i := range list {
			b := list[(r.next+i)%len(list)]
			if !slices.Contains(taken, b) && (!ok || r.held[b] < r.held[id]) {
				id, ok = b, true
			}
		}
		if ok {
			r.held[id]++
			r.next++
			return id, true
		}
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
