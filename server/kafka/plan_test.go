package kafka

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestPlanTopic_EveryCopyHasItsBrokerAndLoadIsEven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m Metadata
		brokers := rapid.IntRange(1, 15).Draw(t, "brokers")
		racks := rapid.IntRange(0, 4).Draw(t, "racks")
		for id := range brokers {
			b := Broker{ID: int32(id + 1)}
			if racks > 0 {
				b.Rack = string(rune('a' + rapid.IntRange(0, racks-1).Draw(t, "rack")))
			}
			m.Brokers = append(m.Brokers, b)
		}
		partitions, factor := rapid.IntRange(1, 60).Draw(t, "partitions"), rapid.IntRange(1, brokers).Draw(t, "factor")
		plan, err := PlanTopic(m, partitions, factor)
		if err != nil || len(plan) != partitions {
			t.Fatalf("%v, %d partitions", err, len(plan))
		}
		leads := make(map[int32]int)
		for _, replicas := range plan {
			leads[replicas[0]]++
			seen, where := make(map[int32]bool), make(map[string]bool)
			for _, id := range replicas {
				seen[id] = true
				where[m.Brokers[id-1].Rack] = true
			}
			if len(seen) != factor {
				t.Fatalf("replicas %v", replicas)
			}
			all := make(map[string]bool)
			for _, b := range m.Brokers {
				all[b.Rack] = true
			}
			if racks > 0 && len(where) < min(factor, len(all)) {
				t.Fatalf("%v are on %d racks of %d", replicas, len(where), len(all))
			}
		}
		for _, b := range m.Brokers {
			if n := leads[b.ID]; n < partitions/brokers || n > partitions/brokers+1 {
				t.Fatalf("broker %d leads %d of %d", b.ID, n, partitions)
			}
		}
	})
}

func TestPlanTopic_BeginsWhereLeastIsLed(t *testing.T) {
	m := Metadata{Brokers: []Broker{{ID: 1}, {ID: 2}, {ID: 3}}, Topics: []Topic{{Partitions: []Partition{{Leader: 1}, {Leader: 3}, {Leader: 3}}}}}
	plan, err := PlanTopic(m, 4, 2)
	if want := (Plan{{2, 1}, {1, 3}, {3, 2}, {2, 3}}); err != nil || !cmp.Equal(plan, want) {
		t.Errorf("%v %v, want %v", err, plan, want)
	}
	if _, err := PlanTopic(m, 1, 4); !errors.Is(err, ErrTooFewBrokers) {
		t.Errorf("four copies on three brokers: %v", err)
	}
	if slices.ContainsFunc(plan, func(r []int32) bool { return len(r) != 2 }) {
		t.Error("not two copies of each")
	}
}
