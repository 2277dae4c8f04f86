package live

import (
	"cmp"
	"slices"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// describe returns the structure of the view with the numbers up to which
// frames have been sent.
func (v *view) describe(w *world, now time.Time) *Model {
	m := &Model{View: v.name, Seq: w.seq, Time: now.UnixMilli(), Controller: w.controller, Journal: w.journal, Fine: v.fine}
	for _, b := range w.brokers {
		m.Brokers = append(m.Brokers, b.Broker)
	}
	slices.SortFunc(m.Brokers, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	if v.scope.none {
		return m
	}
	topics := make(map[*topic]bool)
	for _, p := range v.parts {
		topics[p.p.topic] = true
		m.Partitions = append(m.Partitions, p.row())
	}
	for t := range topics {
		m.Topics = append(m.Topics, t.Topic)
	}
	slices.SortFunc(m.Topics, func(a, b Topic) int { return cmp.Compare(a.Name, b.Name) })
	v.describeClients(w, m)
	groups := make(map[*group]bool)
	for _, g := range v.lags {
		groups[g.g.group] = true
		m.Lags = append(m.Lags, LagRow{g.g.id, g.g.group.id, g.g.part.id, g.g.member, g.g.client, g.committed, g.lag})
	}
	for name, g := range w.groups {
		if v.name == ViewCluster || v.scope.group == name || groups[g] {
			m.Groups = append(m.Groups, Group{g.id, g.name, g.state, g.generation, g.members})
		}
	}
	slices.SortFunc(m.Groups, func(a, b Group) int { return cmp.Compare(a.Name, b.Name) })
	return m
}

func (v *view) describeClients(w *world, m *Model) {
	used := make(map[int]bool)
	rates := make(map[*vlink]float64, len(v.links))
	for i, l := range w.linkList {
		if vl := v.route[i]; vl != nil {
			rates[vl] += l.rate.perSecond
		}
	}
	for _, l := range v.links {
		used[l.client] = true
		r := LinkRow{ID: l.id, Direction: "p", Client: l.client, Partition: l.partition, Broker: l.broker, Records: l.sent, Rate: rates[l]}
		if l.direction == event.Fetch {
			r.Direction = "f"
		}
		m.Links = append(m.Links, r)
	}
	for _, c := range w.clients {
		if used[c.id] {
			m.Clients = append(m.Clients, Client{c.id, c.name, c.software, c.conns > 0})
		}
	}
	slices.SortFunc(m.Clients, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
}

func (p *vpart) row() PartitionRow {
	r := PartitionRow{
		ID: p.p.id, Topic: p.p.topic.ID, Number: p.p.number, Leader: p.p.leader, Epoch: p.p.epoch, Bases: p.p.bases,
		In: p.sent.In, Out: p.sent.Out, HW: p.sent.HW, End: p.sent.End, Start: p.sent.Start,
		InRate: p.p.inRate.perSecond, OutRate: p.p.outRate.perSecond,
		Replicas: make([]ReplicaRow, len(p.replicas)),
	}
	for i, x := range p.replicas {
		r.Replicas[i] = ReplicaRow{x.r.id, x.r.c.Broker, x.r.inSync, x.r.offline, x.sent.Records, x.sent.End, x.r.rate.perSecond}
	}
	return r
}

// hello returns the whole model for somebody who joins now.
func (v *view) hello(w *world, build string, now time.Time) *Model {
	m := v.describe(w, now)
	m.Schema, m.Build = Schema, build
	return m
}

// patch returns what is different from what the readers hold, nil if nothing
// that they can see is.
func (v *view) patch(w *world, now time.Time) *Model {
	m := v.describe(w, now)
	d := &Model{Seq: m.Seq, Time: m.Time, Controller: m.Controller, Journal: m.Journal, Fine: m.Fine, Drop: &Drop{}}
	d.Brokers, _ = changed(v.known.Brokers, m.Brokers, func(a, b Broker) bool { return a == b })
	d.Topics, d.Drop.Topics = changed(v.known.Topics, m.Topics, func(a, b Topic) bool { return a == b })
	d.Partitions, d.Drop.Partitions = changed(v.known.Partitions, m.Partitions, samePartition)
	d.Clients, d.Drop.Clients = changed(v.known.Clients, m.Clients, func(a, b Client) bool { return a == b })
	d.Links, d.Drop.Links = changed(v.known.Links, m.Links, func(a, b LinkRow) bool { return true })
	d.Groups, d.Drop.Groups = changed(v.known.Groups, m.Groups, sameGroup)
	d.Lags, d.Drop.Lags = changed(v.known.Lags, m.Lags, func(a, b LagRow) bool {
		return a.Member == b.Member && a.ClientID == b.ClientID
	})
	quiet := len(d.Brokers)+len(d.Topics)+len(d.Partitions)+len(d.Clients)+len(d.Links)+len(d.Groups)+len(d.Lags)+d.Drop.len() == 0 &&
		d.Controller == v.known.Controller && d.Journal == v.known.Journal && d.Fine == v.known.Fine
	v.known = *m
	if quiet {
		return nil
	}
	return d
}

func (d *Drop) len() int {
	return len(d.Topics) + len(d.Partitions) + len(d.Clients) + len(d.Links) + len(d.Groups) + len(d.Lags)
}

func samePartition(a, b PartitionRow) bool {
	return a.Leader == b.Leader && a.Epoch == b.Epoch && slices.EqualFunc(a.Replicas, b.Replicas, sameReplica) && slices.Equal(a.Bases, b.Bases)
}

func sameReplica(a, b ReplicaRow) bool {
	return a.ID == b.ID && a.Broker == b.Broker && a.InSync == b.InSync && a.Offline == b.Offline
}

func sameGroup(a, b Group) bool {
	return a.State == b.State && a.Generation == b.Generation && slices.Equal(a.Members, b.Members)
}

// changed returns the rows of now that before does not hold or holds
// differently, and the ids of those that only before holds.
func changed[T row[T]](before, now []T, same func(a, b T) bool) (up []T, gone []int) {
	old := make(map[int]T, len(before))
	for _, r := range before {
		old[r.id()] = r
	}
	for _, r := range now {
		o, ok := old[r.id()]
		delete(old, r.id())
		if !ok || !same(o, r) {
			up = append(up, r)
		}
	}
	for id := range old {
		gone = append(gone, id)
	}
	slices.Sort(gone)
	return up, gone
}
