package kafka

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Plan says which brokers hold each partition of a topic that is to be made;
// the first of a partition leads it.
type Plan [][]int32

// ErrTooFewBrokers tells that there are less brokers than copies.
var ErrTooFewBrokers = errors.New("too few brokers")

// PlanTopic places the partitions of a new topic as Kafka does: the leaders go
// round all brokers, here from the one that leads the least, and the copies of
// each partition follow with a shift that grows by each round. Where all brokers
// name their racks, the copies of a partition are on as many racks as there are.
func PlanTopic(m Metadata, partitions, factor int) (Plan, error) {
	if len(m.Brokers) < factor {
		return nil, fmt.Errorf("%w: %d copies need %d brokers, and %d are there", ErrTooFewBrokers, factor, factor, len(m.Brokers))
	}
	order := planOrder(m)
	racked := !slices.ContainsFunc(order, func(b Broker) bool { return b.Rack == "" })
	plan := make(Plan, partitions)
	for p := range plan {
		first := p % len(order)
		shift := p / len(order)
		replicas := []int32{order[first].ID}
		racks := map[string]bool{order[first].Rack: true}
		for pass := range 2 { // other racks first, then any
			for k := 0; k < len(order)-1 && len(replicas) < factor; k++ {
				b := order[(first+1+(shift+k)%(len(order)-1))%len(order)]
				if slices.Contains(replicas, b.ID) || pass == 0 && racked && racks[b.Rack] {
					continue
				}
				replicas = append(replicas, b.ID)
				racks[b.Rack] = true
			}
		}
		plan[p] = replicas
	}
	return plan, nil
}

// planOrder returns the brokers from the one that leads the least, and with
// racks so that neighbours are in different ones.
func planOrder(m Metadata) []Broker {
	leads := make(map[int32]int)
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			leads[p.Leader]++
		}
	}
	byRack := make(map[string][]Broker)
	var racks []string
	for _, b := range m.Brokers {
		if byRack[b.Rack] == nil {
			racks = append(racks, b.Rack)
		}
		byRack[b.Rack] = append(byRack[b.Rack], b)
	}
	for _, list := range byRack {
		slices.SortStableFunc(list, func(a, b Broker) int { return cmp.Or(cmp.Compare(leads[a.ID], leads[b.ID]), cmp.Compare(a.ID, b.ID)) })
	}
	slices.Sort(racks)
	var order []Broker
	for i := 0; len(order) < len(m.Brokers); i++ {
		for _, r := range racks {
			if i < len(byRack[r]) {
				order = append(order, byRack[r][i])
			}
		}
	}
	return order
}
