package live

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// Limits of what the picture keeps apart.
const (
	maxClients  = 64               // by name; the others are folded into event.OtherClients
	maxMembers  = 256              // of one group
	maxBases    = 12               // segment boundaries of one partition
	clientGrace = 15 * time.Second // a client without connection stays this long after its last record
)

// world is what the sampler knows of the cluster: the structure, from state
// events and from which counters exist, and the newest value of each counter.
// It is not safe for concurrent use.
type world struct {
	hub    *event.Hub
	hidden map[string]bool

	seq  uint64 // newest state event applied
	rev  uint64 // grows with every change of structure
	next int    // newest id given

	controller int32
	journal    string // why the journal of the process cannot be written, "" if it can
	brokers    map[int32]*broker
	topics     map[string]*topic
	parts      map[topicPartition]*partition
	clients    map[string]*client
	links      map[event.LinkKey]*link
	groups     map[string]*group
	lags       map[event.GroupKey]*lag

	// The lists that the hub last gave; it gives the same one until it changes.
	hubParts  []*event.Partition
	hubLinks  []*event.Link
	hubGroups []*event.GroupPartition
	linkList  []*link
	partList  []*partition // by topic and number
	lagList   []*lag

	own int64 // what internal topics added, in records and bytes; nobody reads it

	now   time.Time // of the present sample
	rated time.Time // when the rates were computed
}

type topicPartition struct {
	topic  string
	number int32
}

type broker struct {
	Broker
	in, out, bytesIn, bytesOut int64
	size, conns                int64
}

type topic struct {
	Topic
	parts int
}

type partition struct {
	id       int
	topic    *topic
	number   int32
	leader   int32
	epoch    int32
	elected  election // the newest that a state event told of
	replicas []*replica
	bases    []int64

	in, out, bytesIn, bytesOut int64 // counters over all replicas
	rawOut, rawBytesOut        int64 // out with what hidden clients read
	hiddenOut, hiddenBytes     int64 // read by hidden clients
	start, hw, end, size       int64 // gauges of the leader

	inRate, outRate rate
}

// rate is a counter's speed over the last whole second.
type rate struct {
	was       int64
	perSecond float64
}

func (r *rate) turn(now int64, seconds float64) {
	r.perSecond = float64(now-r.was) / seconds
	r.was = now
}

// replica is the counters of one copy with the values at the last sample. It
// stays while its broker is down, and goes when the partition has left the
// broker.
type replica struct {
	id                         int
	c                          *event.Partition
	in, out, bytesIn, bytesOut int64
	replicated                 int64 // records appended from the leader
	end                        int64 // log end
	inSync, offline            bool
	shrunk                     bool // an event said that it left the ISR; its own broker may not know
	rate                       rate // of replicated
}

// election is what a state event told of a leader.
type election struct {
	broker, epoch int32
}

type client struct {
	id       int
	name     string
	software string
	conns    int
	active   time.Time // last time a record moved
	linked   bool      // has links, so it belongs in the picture
	visible  bool

	forgotten bool // no longer in world.clients
}

type link struct {
	c      *event.Link
	client *client
	part   *partition // nil until the partition is known
	seen   int64      // records at the last sample
	bytes  int64
	delta  int64 // records in the last sample
	rate   rate
	active time.Time
	hidden bool
}

type group struct {
	id         int
	name       string
	state      string
	generation int32
	members    []Member
}

type lag struct {
	id             int
	c              *event.GroupPartition
	group          *group
	part           *partition // nil until the partition is known
	member, client string
	committed, lag int64
}

func newWorld(hub *event.Hub, hidden []string) *world {
	w := &world{
		hub: hub, hidden: make(map[string]bool), controller: -1,
		brokers: make(map[int32]*broker),
		topics:  make(map[string]*topic),
		parts:   make(map[topicPartition]*partition),
		clients: make(map[string]*client),
		links:   make(map[event.LinkKey]*link),
		groups:  make(map[string]*group),
		lags:    make(map[event.GroupKey]*lag),
	}
	for _, h := range hidden {
		w.hidden[h] = true
	}
	return w
}

// bump notes that the structure is no longer what models were made of.
func (w *world) bump() { w.rev++ }

func (w *world) id() int { w.next++; return w.next }

func (w *world) broker(id int32) *broker {
	b := w.brokers[id]
	if b == nil {
		b = &broker{Broker: Broker{ID: id, Up: true, State: "running"}}
		w.bump()
		w.brokers[id] = b
	}
	return b
}

func (w *world) topic(name string) *topic {
	t := w.topics[name]
	if t == nil {
		t = &topic{Topic: Topic{ID: w.id(), Name: name, Internal: strings.HasPrefix(name, "__")}}
		w.bump()
		w.topics[name] = t
	}
	return t
}

// client returns the client of that name, or the one that stands for the rest
// where there are too many.
func (w *world) client(name string) *client {
	c := w.clients[name]
	if c != nil {
		return c
	}
	if len(w.clients) >= maxClients && name != event.OtherClients {
		w.forgetClients()
		if len(w.clients) >= maxClients {
			return w.client(event.OtherClients)
		}
	}
	c = &client{id: w.id(), name: name}
	w.clients[name] = c
	return c
}

func (w *world) group(name string) *group {
	g := w.groups[name]
	if g == nil {
		g = &group{id: w.id(), name: name}
		w.bump()
		w.groups[name] = g
	}
	return g
}

// sample brings structure and numbers up to now.
func (w *world) sample(now time.Time) {
	w.now = now
	if l := w.hub.Partitions(); !same(l, w.hubParts) {
		w.hubParts = l
		w.takePartitions(l)
	}
	if l := w.hub.Links(); !same(l, w.hubLinks) {
		w.hubLinks = l
		w.takeLinks(l, now)
	}
	if l := w.hub.Groups(); !same(l, w.hubGroups) {
		w.hubGroups = l
		w.takeGroups(l)
	}
	w.countLinks(now)
	w.countPartitions()
	w.countLags()
	w.showClients(now)
	w.turnRates(now)
}

// turnRates computes the rates anew once a second has passed.
func (w *world) turnRates(now time.Time) {
	passed := now.Sub(w.rated)
	if passed < slowTick-fastTick/2 {
		return
	}
	first := w.rated.IsZero()
	w.rated = now
	for _, p := range w.partList {
		p.inRate.turn(p.in, passed.Seconds())
		p.outRate.turn(p.out, passed.Seconds())
		for _, r := range p.replicas {
			r.rate.turn(r.replicated, passed.Seconds())
		}
	}
	for _, l := range w.linkList {
		l.rate.turn(l.seen, passed.Seconds())
	}
	if first { // all that ever happened was not in the last second
		for _, p := range w.partList {
			p.inRate.perSecond, p.outRate.perSecond = 0, 0
			for _, r := range p.replicas {
				r.rate.perSecond = 0
			}
		}
		for _, l := range w.linkList {
			l.rate.perSecond = 0
		}
	}
}

// same tells whether the hub gave the list that it gave before.
func same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (w *world) takePartitions(list []*event.Partition) {
	replicas := make(map[topicPartition][]*event.Partition, len(list))
	for _, c := range list {
		k := topicPartition{c.Topic, c.Partition}
		replicas[k] = append(replicas[k], c)
	}
	for k, p := range w.parts {
		if len(replicas[k]) == 0 {
			w.dropPartition(k, p)
		}
	}
	for k, cs := range replicas {
		slices.SortFunc(cs, func(a, b *event.Partition) int { return cmp.Compare(a.Broker, b.Broker) })
		p := w.parts[k]
		if p != nil && !sharesReplica(p, cs) { // deleted and made again between two samples
			w.dropPartition(k, p)
			p = nil
		}
		if p == nil {
			p = &partition{id: w.id(), topic: w.topic(k.topic), number: k.number, leader: -1, elected: election{-1, -1}}
			w.bump()
			p.topic.parts++
			w.parts[k] = p
		}
		w.setReplicas(p, cs)
	}
	w.partList = slices.SortedFunc(maps.Values(w.parts), func(a, b *partition) int {
		return cmp.Or(cmp.Compare(a.topic.Name, b.topic.Name), cmp.Compare(a.number, b.number))
	})
	w.relink()
}

func sharesReplica(p *partition, cs []*event.Partition) bool {
	return slices.ContainsFunc(p.replicas, func(r *replica) bool { return slices.Contains(cs, r.c) })
}

func (w *world) setReplicas(p *partition, cs []*event.Partition) {
	same := len(cs) == len(p.replicas)
	for i := 0; same && i < len(cs); i++ {
		same = cs[i] == p.replicas[i].c
	}
	if same {
		return
	}
	old := p.replicas
	p.replicas = make([]*replica, len(cs))
	for i, c := range cs {
		w.broker(c.Broker)
		if k := slices.IndexFunc(old, func(r *replica) bool { return r.c == c }); k >= 0 {
			p.replicas[i] = old[k]
		} else {
			p.replicas[i] = &replica{id: w.id(), c: c}
		}
	}
	w.bump()
}

func (w *world) dropPartition(k topicPartition, p *partition) {
	delete(w.parts, k)
	w.bump()
	if p.topic.parts--; p.topic.parts == 0 {
		delete(w.topics, p.topic.Name)
	}
}

// relink points links and lags at the partitions that they name.
func (w *world) relink() {
	for _, l := range w.linkList {
		l.part = w.parts[topicPartition{l.c.Topic, l.c.Partition}]
	}
	for _, g := range w.lagList {
		part := w.parts[topicPartition{g.c.Topic, g.c.Partition}]
		if part != g.part {
			g.part = part
			w.bump()
		}
	}
}

func (w *world) takeLinks(list []*event.Link, now time.Time) {
	gone := maps.Clone(w.links)
	w.linkList = w.linkList[:0:0]
	for _, c := range list {
		l := w.links[c.LinkKey]
		if l == nil || l.c != c {
			l = &link{c: c, hidden: w.hidden[c.ClientID], active: now}
			if !l.hidden {
				l.client = w.client(c.ClientID)
				l.client.linked, l.client.active = true, now
			}
			w.links[c.LinkKey] = l
		}
		delete(gone, c.LinkKey)
		l.part = w.parts[topicPartition{c.Topic, c.Partition}]
		w.linkList = append(w.linkList, l)
	}
	for k := range gone {
		delete(w.links, k)
	}
	w.bump()
}

func (w *world) takeGroups(list []*event.GroupPartition) {
	gone := maps.Clone(w.lags)
	w.lagList = w.lagList[:0:0]
	for _, c := range list {
		g := w.lags[c.GroupKey]
		if g == nil || g.c != c {
			g = &lag{id: w.id(), c: c, group: w.group(c.Group), committed: -1}
			w.bump()
			g.part = w.parts[topicPartition{c.Topic, c.Partition}]
			w.lags[c.GroupKey] = g
		}
		delete(gone, c.GroupKey)
		w.lagList = append(w.lagList, g)
	}
	for k := range gone {
		delete(w.lags, k)
		w.bump()
	}
	slices.SortFunc(w.lagList, func(a, b *lag) int { return cmp.Compare(a.id, b.id) })
}

func (w *world) countLinks(now time.Time) {
	for _, l := range w.linkList {
		n := l.c.Records.Load()
		l.delta = n - l.seen
		l.seen = n
		if l.hidden {
			if l.part != nil && l.c.Direction == event.Fetch {
				bytes := l.c.Bytes.Load()
				l.part.hiddenOut += l.delta
				l.part.hiddenBytes += bytes - l.bytes
				l.bytes = bytes
			}
			continue
		}
		if l.delta == 0 {
			continue
		}
		if l.client.forgotten {
			l.client = w.client(l.c.ClientID)
			l.client.linked = true
			w.bump()
		}
		l.active = now
		l.client.active = now
	}
}

// forgetClients makes room for new names: the clients that left the picture go.
func (w *world) forgetClients() {
	for name, c := range w.clients {
		if c.conns == 0 && !c.visible && w.now.Sub(c.active) >= clientGrace {
			c.forgotten = true
			delete(w.clients, name)
		}
	}
}

// countPartitions reads the counters of every replica.
func (w *world) countPartitions() {
	for _, b := range w.brokers {
		b.size = 0
		b.conns = w.hub.Connections(b.ID).Load()
	}
	for _, p := range w.partList {
		for _, r := range p.replicas {
			w.countReplica(p, r)
		}
		leader, epoch, lead := p.whoLeads()
		w.showReads(p, leader)
		if leader != p.leader || epoch != p.epoch {
			p.leader, p.epoch = leader, epoch
			w.bump()
		}
		w.countSync(p)
		if lead == nil {
			continue // keep the last known offsets of a partition that nobody leads
		}
		p.start, p.hw = lead.LogStart.Load(), lead.HighWatermark.Load()
		p.end, p.size = max(lead.LogEnd.Load(), p.hw), lead.SizeBytes.Load()
	}
}

// whoLeads returns who leads the partition: the replica that does so in the
// newest epoch, or whom the newest election made leader. A broker that hangs
// goes on taking itself for the leader that it was.
func (p *partition) whoLeads() (broker, epoch int32, lead *event.Partition) {
	broker, epoch = p.elected.broker, p.elected.epoch
	for _, r := range p.replicas {
		c := r.c
		if e := c.LeaderEpoch.Load(); c.Leader.Load() && !c.Offline.Load() && e >= epoch {
			broker, epoch, lead = c.Broker, e, c
		}
	}
	if lead == nil {
		if i := slices.IndexFunc(p.replicas, func(r *replica) bool { return r.c.Broker == broker }); i >= 0 {
			lead = p.replicas[i].c
		}
	}
	return broker, max(epoch, 0), lead
}

// countSync notes which replicas are in sync, and which cannot be reached.
func (w *world) countSync(p *partition) {
	for _, r := range p.replicas {
		inSync, offline := r.c.InSync.Load() && !r.shrunk || r.c.Broker == p.leader, r.c.Offline.Load()
		if inSync != r.inSync || offline != r.offline {
			r.inSync, r.offline = inSync, offline
			w.bump()
		}
	}
}

func (w *world) countReplica(p *partition, r *replica) {
	b := w.brokers[r.c.Broker]
	b.size += r.c.SizeBytes.Load()
	in, bytesIn := &b.in, &b.bytesIn
	if p.topic.Internal {
		// The brokers' own records, such as committed offsets, are not what
		// people send: they count for their partition alone.
		in, bytesIn = &w.own, &w.own
	}
	grow(r.c.RecordsIn.Load(), &r.in, &p.in, in)
	grow(r.c.RecordsOut.Load(), &r.out, &p.rawOut)
	grow(r.c.BytesIn.Load(), &r.bytesIn, &p.bytesIn, bytesIn)
	grow(r.c.BytesOut.Load(), &r.bytesOut, &p.rawBytesOut)
	r.replicated, r.end = r.c.RecordsReplicated.Load(), r.c.LogEnd.Load()
}

// grow adds what a counter grew by since seen to each of the sums.
func grow(now int64, seen *int64, sums ...*int64) {
	d := now - *seen
	*seen = now
	for _, s := range sums {
		*s += d
	}
}

// showReads brings what the partition gave out to its consumers up to date:
// what the hidden clients read does not count. Neither counter is read at the
// same instant as the other, so the difference is never let fall.
func (w *world) showReads(p *partition, leader int32) {
	n, bytes := max(0, p.rawOut-p.hiddenOut-p.out), max(0, p.rawBytesOut-p.hiddenBytes-p.bytesOut)
	p.out += n
	p.bytesOut += bytes
	if b := w.brokers[leader]; b != nil && !p.topic.Internal {
		b.out += n
		b.bytesOut += bytes
	}
}

func (w *world) countLags() {
	for _, g := range w.lagList {
		member, client := text(g.c.Member.Load()), text(g.c.ClientID.Load())
		if member != g.member || client != g.client {
			g.member, g.client = member, client
			w.bump()
			if member != "" {
				w.addMember(g.group, Member{ID: member, ClientID: client})
			}
		}
		g.committed, g.lag = g.c.Committed.Load(), 0
		if g.part != nil && g.committed >= 0 {
			g.lag = max(0, g.part.hw-g.committed)
		}
	}
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// showClients decides which clients belong in the picture: those that moved a
// record and are connected or were active a moment ago.
func (w *world) showClients(now time.Time) {
	for _, c := range w.clients {
		visible := c.linked && (c.conns > 0 || now.Sub(c.active) < clientGrace)
		if visible != c.visible {
			c.visible = visible
			w.bump()
		}
	}
	for _, l := range w.linkList {
		if l.client != nil && l.client.software == "" {
			if s := text(l.c.Software.Load()); s != "" {
				l.client.software = s
				w.bump()
			}
		}
	}
}
