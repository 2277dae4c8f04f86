package live

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/event"
)

func TestLive_FramesAddUpToTheCounters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 6)
		f.produce("early", "orders", 0, 1000) // before anybody looks: in the model, not in a frame
		l := started(t, f.hub, Options{})
		r := join(t, l, ViewCluster, 0)
		r.read(t)
		if r.in() != 1000 {
			t.Fatalf("the model begins at %d records", r.in())
		}
		rng := rand.New(rand.NewPCG(1, 2))
		total := int64(1000)
		for range 200 {
			n := int64(rng.IntN(50))
			total += n
			f.produce(fmt.Sprint("client-", rng.IntN(4)), "orders", rng.IntN(6), n)
			time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
			if rng.IntN(4) == 0 { // now and then the reader is late, and gets merged frames
				r.read(t)
			}
		}
		afterTicks(3)
		r.read(t)
		if r.in() != total || r.flowed("p") != total {
			t.Fatalf("%d records produced, %d seen at the partitions, %d over the links", total, r.in(), r.flowed("p"))
		}
		if r.merged == 0 {
			t.Fatal("no frame was ever merged: the test does not test it")
		}
	})
}

func TestLive_EveryReaderOfAViewSeesTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 3)
		l := started(t, f.hub, Options{})
		first := join(t, l, ViewCluster, 0)
		f.produce("a", "orders", 0, 7)
		afterTicks(2)
		second := join(t, l, ViewCluster, 0)
		f.produce("a", "orders", 1, 5)
		afterTicks(2)
		first.read(t)
		second.read(t)
		if first.in() != 12 || second.in() != 12 {
			t.Fatalf("the first sees %d, the second %d of 12", first.in(), second.in())
		}
	})
}

func TestLive_FrameStaysSmall(t *testing.T) {
	const limit = 8 << 10
	for _, partitions := range []int{12, 240, 1200, 10_000} {
		for _, hot := range []int{100, 20} { // percent
			t.Run(fmt.Sprintf("%d partitions, %d%% hot", partitions, hot), func(t *testing.T) {
				f := fake{event.New()}
				for i := range partitions / 12 {
					f.topic(topicName(i), 12)
					for p := range 12 {
						f.replicate(topicName(i), p, 1)
						f.replicate(topicName(i), p, 2)
					}
				}
				l := New(f.hub, quiet(Options{}))
				now := time.Now()
				f.busy(partitions/12, 1, 100)
				l.sample(now)
				r := join(t, l, ViewCluster, 0)
				r.read(t)
				most := 0
				for range 20 {
					now = now.Add(fastTick)
					f.busy(partitions/12, 4700, hot)
					l.sample(now)
					m := r.frameBytes(t)
					most = max(most, m)
				}
				for range 2*partitions/replicaQuota + 2 { // what waits for its turn comes
					now = now.Add(fastTick)
					l.sample(now)
					r.frameBytes(t)
				}
				t.Logf("largest frame: %d bytes", most)
				if most > limit {
					t.Errorf("a frame of %d bytes, the limit is %d", most, limit)
				}
				var want int64
				for _, c := range f.hub.Partitions() {
					want += c.RecordsIn.Load()
				}
				if got := r.in(); got != want {
					t.Errorf("%d records in, %d shown", want, got)
				}
				if got := r.replicated(); got != 2*want {
					t.Errorf("%d records replicated twice, %d shown", want, got)
				}
			})
		}
	}
}

// busy makes traffic on the given share of all partitions, by three producers
// and two groups.
func (f fake) busy(topics int, n int64, percent int) {
	for i := range topics {
		for p := range 12 {
			if (i*12+p)%100 >= percent {
				continue
			}
			name := topicName(i)
			f.produce(fmt.Sprint("producer-", i%3), name, p, n*int64(p+1))
			f.replicate(name, p, 1)
			f.replicate(name, p, 2)
			f.fetch(fmt.Sprint("consumer-", i%2), name, p, n*int64(p+1))
			f.hub.Group(event.GroupKey{Group: fmt.Sprint("group-", i%2), Topic: name, Partition: int32(p)}).Committed.Store(f.partition(name, p).HighWatermark.Load() - 500)
		}
	}
}

// frameBytes reads what waits and returns the size of the frame in it.
func (r *reader) frameBytes(t *testing.T) int {
	t.Helper()
	r.read(t)
	return len(r.frames[len(r.frames)-1].Bytes())
}

func TestLive_HiddenClientsAreNotInThePicture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 1)
		l := started(t, f.hub, Options{})
		r := join(t, l, ViewCluster, 0)
		f.produce("app", "orders", 0, 100)
		f.fetch("app", "orders", 0, 40)
		f.fetch("logarium-console", "orders", 0, 60)
		afterTicks(3)
		r.read(t)
		if got := r.clientNames(); !slices.Equal(got, []string{"app"}) {
			t.Errorf("clients in the picture: %v", got)
		}
		for _, p := range r.partitions {
			if p.Out != 40 {
				t.Errorf("%d records out; the console's own 60 do not count", p.Out)
			}
		}
		h := l.History()
		if row := h.Fine[len(h.Fine)-1]; row.Gap() {
			t.Error("a gap although the sampler ran")
		}
		var out int64
		for _, row := range h.Fine {
			out += row.Out
		}
		if out != 40 {
			t.Errorf("the graphs count %d records out", out)
		}
	})
}

func TestLive_StructureComesAsPatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 2)
		l := started(t, f.hub, Options{})
		r := join(t, l, ViewCluster, 0)
		r.read(t)
		f.topic("payments", 3)
		afterTicks(2)
		r.read(t)
		if len(r.partitions) != 5 || r.patches == 0 {
			t.Fatalf("%d partitions after %d patches", len(r.partitions), r.patches)
		}
		for p := range 2 {
			f.hub.DropPartition(event.PartitionKey{Broker: int32(p%3 + 1), Topic: "orders", Partition: int32(p)})
		}
		f.hub.DropLinks("orders")
		afterTicks(2)
		r.read(t)
		if len(r.partitions) != 3 {
			t.Fatalf("%d partitions after one topic was deleted", len(r.partitions))
		}
		f.partition("payments", 0).LeaderEpoch.Store(4)
		afterTicks(2)
		r.read(t)
		if !slices.ContainsFunc(slices.Collect(mapsValues(r.partitions)), func(p PartitionRow) bool { return p.Number == 0 && p.Epoch == 4 }) {
			t.Fatalf("the new epoch did not come: %v", r.partitions)
		}
	})
}

func mapsValues[K comparable, V any](m map[K]V) func(func(V) bool) {
	return func(yield func(V) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func TestLive_PatchesOfASlowReaderAreMergedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		l := started(t, f.hub, Options{})
		slow, fast := join(t, l, ViewCluster, 0), join(t, l, ViewCluster, 0)
		slow.read(t)
		for i := range 12 {
			f.topic(topicName(i), 2)
			f.produce("app", topicName(i), 1, int64(i+1))
			if i%3 == 2 {
				for p := range 2 {
					f.hub.DropPartition(event.PartitionKey{Broker: int32(p%3 + 1), Topic: topicName(i - 1), Partition: int32(p)})
				}
				f.hub.DropLinks(topicName(i - 1))
			}
			afterTicks(2)
			fast.read(t)
		}
		slow.read(t)
		if slow.in() != fast.in() || len(slow.partitions) != len(fast.partitions) || len(slow.links) != len(fast.links) {
			t.Fatalf("the slow reader has %d records in %d partitions, the fast one %d in %d",
				slow.in(), len(slow.partitions), fast.in(), len(fast.partitions))
		}
	})
}

func TestLive_GroupsMembersAndLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 2)
		l := started(t, f.hub, Options{})
		r := join(t, l, ViewCluster, 0)
		f.hub.Emit(event.State{Kind: event.GroupCreated, Group: "billing", Partition: -1})
		f.hub.Emit(event.State{Kind: event.MemberJoined, Group: "billing", Member: "m-1", ClientID: "app", Partition: -1})
		f.hub.Emit(event.State{Kind: event.GroupState, Group: "billing", Epoch: 1, Text: "Stable", Partition: -1})
		f.produce("p", "orders", 0, 100)
		g := f.hub.Group(event.GroupKey{Group: "billing", Topic: "orders", Partition: 0})
		g.Committed.Store(70)
		member, client := "m-1", "app"
		g.Member.Store(&member)
		g.ClientID.Store(&client)
		afterTicks(2)
		r.read(t)
		if len(r.groups) != 1 || len(r.lags) != 1 {
			t.Fatalf("%d groups, %d lags", len(r.groups), len(r.lags))
		}
		for _, g := range r.groups {
			if g.State != "Stable" || len(g.Members) != 1 || g.Members[0].ClientID != "app" {
				t.Errorf("group: %+v", g)
			}
		}
		for _, g := range r.lags {
			if g.Lag != 30 || g.Committed != 70 || g.Member != "m-1" {
				t.Errorf("lag: %+v", g)
			}
		}
		f.hub.Emit(event.State{Kind: event.MemberLeft, Group: "billing", Member: "m-1", ClientID: "app", Partition: -1})
		f.hub.Emit(event.State{Kind: event.GroupDeleted, Group: "billing", Partition: -1})
		f.hub.DropGroup(event.GroupKey{Group: "billing", Topic: "orders", Partition: 0})
		afterTicks(2)
		r.read(t)
		if len(r.groups) != 0 || len(r.lags) != 0 {
			t.Fatalf("%d groups, %d lags after the group was deleted", len(r.groups), len(r.lags))
		}
	})
}

func TestLive_ClientsLeaveThePictureAndComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 1)
		l := started(t, f.hub, Options{})
		r := join(t, l, ViewCluster, 0)
		f.hub.Emit(event.State{Kind: event.ClientConnected, Broker: 1, Partition: -1, ClientID: "app", Text: "franz-go 1"})
		f.produce("app", "orders", 0, 10)
		time.Sleep(2 * clientGrace)
		r.read(t)
		if len(r.clients) != 1 {
			t.Fatal("a connected client left the picture because it was idle")
		}
		f.hub.Emit(event.State{Kind: event.ClientGone, Broker: 1, Partition: -1, ClientID: "app"})
		time.Sleep(time.Second)
		r.read(t)
		if len(r.clients) != 0 || len(r.links) != 0 {
			t.Fatalf("gone, and still there: %v %v", r.clients, r.links)
		}
		f.produce("app", "orders", 0, 5)
		afterTicks(2)
		r.read(t)
		if r.flowed("p") != 15 {
			t.Fatalf("%d records over the link of a client that came back", r.flowed("p"))
		}
	})
}

func TestLive_ManyClientsAreFoldedAndNoRecordIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("orders", 3)
		l := started(t, f.hub, Options{})
		r := join(t, l, ViewCluster, 0)
		for i := range 3 * maxClients {
			f.produce(fmt.Sprintf("client-%03d", i), "orders", i%3, 10)
		}
		for range 10 {
			afterTicks(1)
			r.read(t)
		}
		if len(r.clients) > maxClients+1 || !slices.Contains(r.clientNames(), event.OtherClients) {
			t.Errorf("%d clients: %v", len(r.clients), r.clientNames())
		}
		if want := int64(3 * maxClients * 10); r.flowed("p") != want {
			t.Errorf("%d of %d records over the links", r.flowed("p"), want)
		}
	})
}

func TestLive_LinksEndAtBrokersWhereThereAreMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fake{event.New()}
		f.topic("wide", fineLinks+60)
		l := started(t, f.hub, Options{})
		r := join(t, l, ViewCluster, 0)
		for p := range fineLinks + 60 {
			f.produce("app", "wide", p, 3)
		}
		for range 10 {
			afterTicks(1)
			r.read(t)
		}
		if len(r.links) != 3 {
			t.Fatalf("%d links, not one for each broker", len(r.links))
		}
		for _, l := range r.links {
			if l.Broker == 0 || l.Partition != 0 {
				t.Errorf("link: %+v", l)
			}
		}
		if r.flowed("p") != (fineLinks+60)*3 {
			t.Errorf("%d records over the links", r.flowed("p"))
		}
	})
}

func TestLive_ViewsShowTheirPart(t *testing.T) {
	f := fake{event.New()}
	f.topic("orders", 3)
	f.topic("payments", 3)
	f.produce("app", "orders", 0, 5)
	f.hub.Group(event.GroupKey{Group: "billing", Topic: "payments", Partition: 1}).Committed.Store(0)
	l := New(f.hub, quiet(Options{}))
	for view, want := range map[string]int{
		ViewCluster: 6, ViewEvents: 0, TopicView("orders"): 3, GroupView("billing"): 1, BrokerView(2): 2, TopicView("none"): 0,
	} {
		m, err := l.Snapshot(view)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Partitions) != want {
			t.Errorf("%s shows %d partitions, not %d", view, len(m.Partitions), want)
		}
	}
	for _, bad := range []string{"", "topic:", "broker:x", "broker:-1", "all"} {
		if _, err := l.Snapshot(bad); err == nil {
			t.Errorf("the view %q exists", bad)
		}
	}
}

func TestLive_SamplerIsSlowWhileNobodyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := started(t, event.New(), Options{})
		time.Sleep(10 * time.Second)
		if n := len(l.History().Fine); n < 8 || n > 11 {
			t.Errorf("%d rows in ten seconds that nobody watched", n)
		}
		s, err := l.Subscribe(ViewCluster, 0)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if n := len(l.History().Fine); n < 100 || n > 115 {
			t.Errorf("%d rows after ten seconds more that somebody watched", n)
		}
		s.Close()
		if n := len(l.History().Second); n < 18 || n > 21 {
			t.Errorf("%d rows of a second in twenty seconds", n)
		}
	})
}
