package controller

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/logarium/logarium/engine/metadata"
)

// racked returns an image of brokers 1, 2, … in the racks named; a '!' after
// the name fences the broker.
func racked(t *testing.T, racks string) *metadata.Image {
	t.Helper()
	var recs []metadata.Record
	for i, rack := range strings.Fields(racks) {
		name, fenced := strings.CutSuffix(rack, "!")
		recs = append(recs, metadata.BrokerRegistrationRecord{ID: int32(i + 1), Rack: strings.TrimPrefix(name, "-"), Fenced: fenced})
	}
	img, _, err := metadata.NewImage(nil).Apply(recs...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// TestPlacement checks the goals of placement on many clusters: distinct
// replicas, live leaders, racks used evenly, brokers of a rack used evenly.
func TestPlacement(t *testing.T) {
	const partitions = 240
	for _, racks := range []string{
		"-", "- -", "- - -", "- - - - -", "a b c", "a a b b c c", "a b b a", "a a a b b b c c c", "a b", "a a b", "a b c d",
		"- - -!", "a! b c", "a a! b b c c!", "a! a! b c", "- - - -!",
	} {
		img := racked(t, racks)
		total := len(img.Brokers())
		for factor := 1; factor <= total; factor++ {
			what := fmt.Sprintf("racks %q, factor %d", racks, factor)
			p := newPlacement(img)
			checkPlacement(t, what, img, p.next(partitions, factor), factor)
		}
	}
}

func checkPlacement(t *testing.T, what string, img *metadata.Image, got [][]int32, factor int) {
	t.Helper()
	rackOf, fenced, size := map[int32]string{}, map[int32]bool{}, map[string]int{}
	for _, b := range img.Brokers() {
		rackOf[b.ID], fenced[b.ID] = b.Rack, b.Fenced
		if !b.Fenced {
			size[b.Rack]++
		}
	}
	live := 0
	for _, n := range size {
		live += n
	}
	led, held := map[int32]int{}, map[int32]int{}
	for _, replicas := range got {
		if len(replicas) != factor || !isSubset(replicas, replicas) {
			t.Fatalf("%s: %v", what, replicas)
		}
		racks, dead := map[string]int{}, 0
		for _, id := range replicas {
			racks[rackOf[id]]++
			held[id]++
			if fenced[id] {
				dead++
			}
		}
		led[replicas[0]]++
		if fenced[replicas[0]] {
			t.Fatalf("%s: a fenced broker leads: %v", what, replicas)
		}
		if len(size) == len(rackNames(img)) && dead > max(0, factor-live) && len(size) == 1 {
			t.Fatalf("%s: %v are on fenced brokers, with %d others", what, replicas, live)
		}
		if want := min(factor, len(rackNames(img))); len(racks) < want {
			t.Fatalf("%s: %v are in %d racks, want %d", what, replicas, len(racks), want)
		}
	}
	// Leaders: as many in each live rack, and on each live broker of a rack.
	for id := range rackOf {
		if fenced[id] {
			continue
		}
		if want := len(got) / len(size) / size[rackOf[id]]; led[id] < want-1 || led[id] > want+1 {
			t.Errorf("%s: broker %d leads %d, want %d", what, id, led[id], want)
		}
	}
	// Replicas: the brokers of a rack hold as many.
	for a := range rackOf {
		for b := range rackOf {
			if rackOf[a] == rackOf[b] && !fenced[a] && !fenced[b] && abs(held[a]-held[b]) > len(got)/20 {
				t.Errorf("%s: brokers %d and %d of a rack hold %d and %d", what, a, b, held[a], held[b])
			}
		}
	}
}

func rackNames(img *metadata.Image) (out []string) {
	for _, b := range img.Brokers() {
		if !slices.Contains(out, b.Rack) {
			out = append(out, b.Rack)
		}
	}
	return out
}

func abs(n int) int { return max(n, -n) }

// TestPlacement_FollowersOfALeaderDiffer spreads what a broker leaves behind
// when it ends.
func TestPlacement_FollowersOfALeaderDiffer(t *testing.T) {
	p := newPlacement(racked(t, "- - - - -"))
	next := map[int32]int{}
	for _, replicas := range p.next(100, 3) {
		if replicas[0] == 1 {
			next[replicas[1]]++
		}
	}
	if len(next) != 4 {
		t.Errorf("the partitions that broker 1 leads would go to %v", next)
	}
}

func TestPlacement_GoesOnWhereItEnded(t *testing.T) {
	w := newWorld(t, 3, 1, nil)
	led := map[int32]int{}
	for i := range 12 {
		w.create(NewTopic{Name: fmt.Sprint("t", i), Partitions: int32(i%4 + 1), ReplicationFactor: 1})
		for _, p := range w.img.Topic(fmt.Sprint("t", i)).Partitions {
			led[p.Leader]++
		}
	}
	if led[1] != 10 || led[2] != 10 || led[3] != 10 {
		t.Errorf("leaders of 30 partitions: %v", led)
	}
}

// TestReplicationFactor has the defaults and the words of Apache Kafka 4.3.1
// for what cannot be reached.
func TestReplicationFactor(t *testing.T) {
	for _, c := range []struct {
		brokers int32
		fenced  []int32
		set     string // default.replication.factor
		factor  int16
		want    string
	}{
		{5, nil, "", -1, "3"},
		{2, nil, "", -1, "2"},
		{1, nil, "", -1, "1"},
		{5, []int32{1, 2, 3}, "", -1, "2"},
		{5, nil, "4", -1, "4"},
		{3, []int32{2}, "", 3, "3"}, // with two in sync
		{3, nil, "", 4, "INVALID_REPLICATION_FACTOR Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached because only 3 broker(s) are registered."},
		{3, nil, "", 0, "INVALID_REPLICATION_FACTOR Replication factor must be larger than 0, or -1 to use the default value."},
		{2, []int32{1, 2}, "", 1, "INVALID_REPLICATION_FACTOR Unable to replicate the partition 1 time(s): All brokers are currently fenced or in controlled shutdown."},
	} {
		static := map[string]string{}
		if c.set != "" {
			static["default.replication.factor"] = c.set
		}
		w := newWorld(t, c.brokers, int(c.brokers), static)
		for _, id := range c.fenced {
			w.apply([]metadata.Record{metadata.BrokerChangeRecord{ID: id, Fenced: true}})
		}
		r := w.create(NewTopic{Name: "t", Partitions: 4, ReplicationFactor: c.factor})[0]
		if got := fmt.Sprint(r.ReplicationFactor); r.Err == nil && got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
		if r.Err != nil {
			wants(t, fmt.Sprintf("%+v", c), r.Err, c.want)
			continue
		}
		for _, p := range w.img.Topic("t").Partitions {
			if !slices.Contains(p.ISR, p.Leader) || len(without(p.ISR, c.fenced)) != len(p.ISR) || len(p.ISR) != len(without(p.Replicas, c.fenced)) {
				t.Errorf("%+v: %+v", c, p)
			}
		}
	}
	w := newWorld(t, 3, 3, nil)
	w.apply([]metadata.Record{metadata.BrokerChangeRecord{ID: 1, Fenced: true}})
	r := w.create(NewTopic{Name: "t", Partitions: -1, ReplicationFactor: -1, Assignment: manual([]int32{1})})
	wants(t, "by hand on a fenced broker", r[0].Err,
		"INVALID_REPLICA_ASSIGNMENT All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown.")
}
