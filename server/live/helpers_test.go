package live

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet(o Options) Options {
	o.Logger = slog.New(slog.DiscardHandler)
	return o
}

// started returns a running Live over hub that is closed with the test.
func started(t *testing.T, hub *event.Hub, o Options) *Live {
	t.Helper()
	l := New(hub, quiet(o))
	l.Start()
	t.Cleanup(l.Close)
	return l
}

// fake is a cluster that exists in the hub alone.
type fake struct{ hub *event.Hub }

func (f fake) topic(name string, partitions int) {
	f.hub.Emit(event.State{Kind: event.TopicCreated, Topic: name, Broker: -1, Partition: -1, A: int64(partitions), B: 1})
	for p := range partitions {
		f.partition(name, p).Leader.Store(true)
	}
}

func (f fake) partition(topic string, p int) *event.Partition {
	return f.hub.Partition(event.PartitionKey{Broker: int32(p%3 + 1), Topic: topic, Partition: int32(p)})
}

// follower is a replica on the broker that many places after the leader's.
func (f fake) follower(topic string, p, place int) *event.Partition {
	return f.hub.Partition(event.PartitionKey{Broker: int32((p+place)%3 + 1), Topic: topic, Partition: int32(p)})
}

// replicate brings a follower up to its leader.
func (f fake) replicate(topic string, p, place int) {
	leader, r := f.partition(topic, p), f.follower(topic, p, place)
	r.RecordsReplicated.Add(leader.LogEnd.Load() - r.LogEnd.Load())
	r.LogEnd.Store(leader.LogEnd.Load())
	r.InSync.Store(true)
}

func (f fake) link(d event.Direction, client, topic string, p int) *event.Link {
	return f.hub.Link(event.LinkKey{Direction: d, ClientID: client, Topic: topic, Partition: int32(p)})
}

// produce is n records from a client.
func (f fake) produce(client, topic string, p int, n int64) {
	c := f.partition(topic, p)
	c.RecordsIn.Add(n)
	c.BytesIn.Add(10 * n)
	c.HighWatermark.Store(c.LogEnd.Add(n))
	f.link(event.Produce, client, topic, p).Records.Add(n)
}

func (f fake) fetch(client, topic string, p int, n int64) {
	c := f.partition(topic, p)
	c.RecordsOut.Add(n)
	c.BytesOut.Add(10 * n)
	l := f.link(event.Fetch, client, topic, p)
	l.Records.Add(n)
	l.Bytes.Add(10 * n)
}

// reader follows a Subscriber as a page does.
type reader struct {
	*Subscriber
	hello      *Model
	partitions map[int]PartitionRow
	links      map[int]LinkRow
	lags       map[int]LagRow
	groups     map[int]Group
	clients    map[int]Client
	states     []StateEvent
	bursts     []Burst
	frames     []*Frame
	patches    int
	gone       map[string]int64 // records over links that left the picture, by direction
}

func join(t *testing.T, l *Live, view string, after uint64) *reader {
	t.Helper()
	s, err := l.Subscribe(view, after)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &reader{Subscriber: s, gone: make(map[string]int64)}
}

// read takes all that is in the mailbox.
func (r *reader) read(t *testing.T) {
	t.Helper()
	for {
		m, ok := r.next()
		if !ok {
			return
		}
		switch m.event {
		case "hello":
			r.hello = decode[Model](t, m.data)
			r.partitions, r.links = make(map[int]PartitionRow), make(map[int]LinkRow)
			r.lags, r.groups, r.clients = make(map[int]LagRow), make(map[int]Group), make(map[int]Client)
			r.apply(r.hello)
		case "patch":
			r.patches++
			r.apply(decode[Model](t, m.data))
		case "frame":
			f, err := DecodeFrame(m.data)
			if err != nil {
				t.Fatalf("%s: %v", m.data, err)
			}
			r.frames = append(r.frames, f)
			r.count(f)
		case "state":
			r.states = append(r.states, *decode[StateEvent](t, m.data))
		case "burst":
			r.bursts = append(r.bursts, *decode[Burst](t, m.data))
		}
	}
}

func decode[T any](t *testing.T, data []byte) *T {
	t.Helper()
	v := new(T)
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return v
}

func (r *reader) apply(m *Model) {
	applyRows(r.partitions, m.Partitions)
	applyRows(r.links, m.Links)
	applyRows(r.lags, m.Lags)
	applyRows(r.groups, m.Groups)
	applyRows(r.clients, m.Clients)
	if m.Drop != nil {
		dropRows(r.partitions, m.Drop.Partitions)
		for _, id := range m.Drop.Links {
			r.gone[r.links[id].Direction] += r.links[id].Records
		}
		dropRows(r.links, m.Drop.Links)
		dropRows(r.lags, m.Drop.Lags)
		dropRows(r.groups, m.Drop.Groups)
		dropRows(r.clients, m.Drop.Clients)
	}
}

func applyRows[T row[T]](have map[int]T, rows []T) {
	for _, n := range rows {
		if old, ok := have[n.id()]; ok {
			n = n.over(old)
		}
		have[n.id()] = n
	}
}

func dropRows[T any](have map[int]T, ids []int) {
	for _, id := range ids {
		delete(have, id)
	}
}

// count adds a frame up. What it tells of things that are not in the picture
// any more is left out, as in a page.
func (r *reader) count(f *Frame) {
	for _, d := range f.Partitions {
		if p, ok := r.partitions[d.ID]; ok {
			p.In, p.Out, p.HW, p.End, p.Start = p.In+d.In, p.Out+d.Out, p.HW+d.HW, p.End+d.End, p.Start+d.Start
			r.partitions[d.ID] = p
		}
	}
	moved := make(map[int]ReplicaDelta, len(f.Replicas))
	for _, d := range f.Replicas {
		moved[d.ID] = d
	}
	for _, p := range r.partitions {
		for i := range p.Replicas {
			x := &p.Replicas[i]
			x.Records, x.End = x.Records+moved[x.ID].Records, x.End+moved[x.ID].End
		}
	}
	for _, d := range f.Links {
		if l, ok := r.links[d.ID]; ok {
			l.Records += d.Records
			r.links[d.ID] = l
		}
	}
	for _, d := range f.Lags {
		if g, ok := r.lags[d.ID]; ok {
			g.Committed, g.Lag = g.Committed+d.Committed, d.Lag
			r.lags[d.ID] = g
		}
	}
}

// in returns the records that the reader saw come in.
func (r *reader) in() (n int64) {
	for _, p := range r.partitions {
		n += p.In
	}
	return n
}

// replicated returns the records that the reader saw flow to followers.
func (r *reader) replicated() (n int64) {
	for _, p := range r.partitions {
		for _, x := range p.Replicas {
			n += x.Records
		}
	}
	return n
}

// flowed returns the records over the links of one direction, those that left
// the picture too.
func (r *reader) flowed(direction string) (n int64) {
	n = r.gone[direction]
	for _, l := range r.links {
		if l.Direction == direction {
			n += l.Records
		}
	}
	return n
}

func (r *reader) clientNames() (names []string) {
	for _, c := range r.clients {
		names = append(names, c.Name)
	}
	return names
}

func topicName(i int) string { return fmt.Sprintf("topic-%03d", i) }

// afterTicks waits, in a bubble's time, until the sampler looked n times.
func afterTicks(n int) { time.Sleep(time.Duration(n)*fastTick + fastTick/2) }
