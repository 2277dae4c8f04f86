package controller

import "github.com/logarium/logarium/engine/metadata"

// placement spreads partitions over the brokers that are not fenced: leaders
// round robin, from where the cluster's partitions so far end, and followers at
// a distance that grows with each round, so that the partitions of one leader
// have different followers.
type placement struct {
	brokers []int32
	at      int
}

func newPlacement(img *metadata.Image) placement {
	p := placement{at: img.PartitionCount()}
	for _, b := range img.Brokers() {
		if !b.Fenced {
			p.brokers = append(p.brokers, b.ID)
		}
	}
	return p
}

// next places partitions; factor is at most the number of brokers.
func (p *placement) next(partitions, factor int) [][]int32 {
	out := make([][]int32, partitions)
	ids := make([]int32, partitions*factor)
	n := len(p.brokers)
	for i := range out {
		out[i], ids = ids[:factor:factor], ids[factor:]
		leader, round := p.at%n, p.at/n
		out[i][0] = p.brokers[leader]
		for f := 1; f < factor; f++ {
			out[i][f] = p.brokers[(leader+1+(round+f-1)%(n-1))%n]
		}
		p.at++
	}
	return out
}

// alive returns those of replicas that are not fenced.
func (p *placement) alive(replicas []int32) []int32 {
	out := make([]int32, 0, len(replicas))
	for _, id := range replicas {
		for _, b := range p.brokers {
			if b == id {
				out = append(out, id)
			}
		}
	}
	return out
}
