package broker

import (
	"context"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/storage"
)

// handleFetch reads committed batches. If there are not enough it waits on the
// connection's writer, woken by the high watermarks of its partitions, until
// there are or the client's time is up.
//
//	v4  isolation level
//	v5  log start offset
//	v7  incremental sessions (KIP-227)
//	v9  leader epoch fencing (KIP-320)
//	v11 rack; preferred read replica, and fetches from followers (KIP-392)
//	v12 diverging epochs, for followers
//	v13 topic ids
//	v15 replica state instead of replica id
//	v16 addresses of new leaders (KIP-951)
//
// Followers do not fetch this way: a replica id is refused (CVE-2018-1288).
func handleFetch(b *Broker, r *request) reply {
	req := r.body.(*kmsg.FetchRequest)
	if req.ReplicaID >= 0 || req.ReplicaState.ID >= 0 {
		return answer(failedFetch(b, req, kerr.ClusterAuthorizationFailed))
	}
	session, err := b.sessions.begin(req, r.received)
	if err != nil {
		return answer(failedFetch(b, req, err))
	}
	f := newFetch(b, r, req, session)
	// One answer in memory for each connection: while the writer has one, this
	// one is read when its turn has come.
	if r.conn.waiting.Load() == 0 {
		f.read()
		if f.enough() {
			return answer(f.answer())
		}
	}
	return park(func(ctx context.Context) kmsg.Response {
		f.wait(ctx)
		return f.answer()
	})
}

// failedFetch answers the whole request with an error.
func failedFetch(b *Broker, req *kmsg.FetchRequest, err error) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.FetchResponse)
	code, _ := b.codeOf(err)
	resp.ErrorCode = code
	if req.Version >= 7 {
		return resp
	}
	for i := range req.Topics { // which has no place for it but each partition
		t := kmsg.FetchResponseTopic{Topic: req.Topics[i].Topic}
		for _, in := range req.Topics[i].Partitions {
			p := kmsg.NewFetchResponseTopicPartition()
			p.Partition, p.ErrorCode, p.HighWatermark = in.Partition, code, -1
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

// cloneName copies a name out of a frame.
func cloneName(s string) string { return strings.Clone(s) }

// fetchPart is one partition of a fetch: what the client asks for, what was
// read, and, in a session, what it was told last.
type fetchPart struct {
	key       partKey
	replica   *replica.Partition // of the last read, nil if it failed
	offset    int64
	maxBytes  int32
	epoch     int32 // the leader's as the client believes, -1: none
	forgotten bool

	err     error
	hw      int64
	stable  int64 // last stable offset
	settled bool  // hw is not below what an earlier leader told
	start   int64
	aborted []storage.AbortedTxn
	instead int32 // preferred read replica, -1: this one
	seen    int32 // leader epoch of the read
	records []byte
	buf     *buffer

	toldHW, toldStart int64 // in a session
}

func newFetchPart(key partKey) *fetchPart { return &fetchPart{key: key, toldHW: -2, toldStart: -2} }

// ask takes what a request says of the partition.
func (p *fetchPart) ask(in *kmsg.FetchRequestTopicPartition) {
	p.offset, p.maxBytes, p.epoch = in.FetchOffset, in.PartitionMaxBytes, in.CurrentLeaderEpoch
}

// fetch is one Fetch request on its way.
type fetch struct {
	b        *Broker
	r        *request
	req      *kmsg.FetchRequest
	session  *fetchSession
	parts    []*fetchPart
	deadline time.Time
	most     int // bytes
	bytes    int // read
	failed   bool
	moved    bool // a client is told to read elsewhere
}

func newFetch(b *Broker, r *request, req *kmsg.FetchRequest, s *fetchSession) *fetch {
	f := &fetch{b: b, r: r, req: req, session: s, most: min(int(req.MaxBytes), b.limits.FetchMaxBytes)}
	f.deadline = r.received.Add(time.Duration(max(req.MaxWaitMillis, 0)) * time.Millisecond)
	if s != nil {
		f.parts = s.parts
		return f
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := newFetchPart(partKey{id: t.TopicID, topic: t.Topic, index: t.Partitions[j].Partition})
			p.ask(&t.Partitions[j])
			f.parts = append(f.parts, p)
		}
	}
	return f
}

// read reads all partitions once, beginning with the one whose turn it is.
func (f *fetch) read() {
	f.drop()
	f.bytes, f.failed, f.moved = 0, false, false
	first := 0
	if f.session != nil && len(f.parts) > 0 {
		first = f.session.next % len(f.parts)
	}
	for i := range f.parts {
		at := (first + i) % len(f.parts)
		p := f.parts[at]
		if p.err = f.readPart(p); p.err != nil {
			f.failed = true
			continue
		}
		f.moved = f.moved || p.instead >= 0
		f.bytes += len(p.records)
		if f.session != nil && len(p.records) > 0 {
			f.session.next = at + 1
		}
	}
}

// readPart reads one partition.
func (f *fetch) readPart(p *fetchPart) error {
	p.hw, p.stable, p.start, p.instead, p.aborted, p.settled = -1, -1, -1, -1, nil, true
	if p.replica == nil || f.serves(p.replica) != nil {
		var err error
		if f.req.Version >= 13 {
			p.replica, err = f.b.replicas.ByID(p.key.id, p.key.index)
		} else {
			p.replica, err = f.b.replicas.Partition(p.key.topic, p.key.index)
		}
		if err != nil {
			p.replica = nil
			return err
		}
		if err := f.serves(p.replica); err != nil {
			return err
		}
	}
	if err := p.replica.CheckEpoch(p.epoch); err != nil {
		return err
	}
	var leads bool
	leads, p.seen = p.replica.Leader()
	p.settled = p.replica.Settled() == nil // first: the high watermark only grows
	p.hw, p.stable, p.start = p.replica.HighWatermark(), p.replica.LastStable(), p.replica.Start()
	switch {
	case p.offset < p.start || p.offset > p.replica.End():
		return kerr.OffsetOutOfRange
	case p.offset > p.hw && !leads: // it is behind what another replica gave
		return kerr.OffsetNotAvailable
	}
	if leads && f.req.Rack != "" && f.b.rackAware() {
		if id := p.replica.ReadReplica(p.offset, f.req.Rack); id != f.b.id {
			p.instead = id
			return nil
		}
	}
	return f.readRecords(p)
}

// readRecords reads what the client may see and what there is room for.
func (f *fetch) readRecords(p *fetchPart) error {
	upTo := p.hw
	if f.req.IsolationLevel == 1 {
		upTo = p.stable
	}
	room := min(f.most-f.bytes, int(p.maxBytes))
	if p.offset >= upTo || (room <= 0 && f.bytes > 0) {
		return nil
	}
	p.buf = getBuffer(int(min(int64(max(room, minRead)), p.replica.Estimate(p.offset)+minRead)))
	var err error
	p.records, err = p.replica.Fetch(p.buf.b[:0], p.offset, upTo, room, f.bytes == 0)
	if cap(p.records) > cap(p.buf.b) {
		p.buf.b = p.records // it was grown
	}
	if err == nil && f.req.IsolationLevel == 1 && len(p.records) > 0 {
		p.aborted, err = p.replica.Aborted(p.offset, upTo)
	}
	if err != nil {
		p.records = p.records[:0]
	}
	return err
}

// serves says whether a replica answers this client: consumers that know of
// racks may read from followers.
func (f *fetch) serves(p *replica.Partition) error {
	if f.req.Version >= 11 {
		return p.ServesReads()
	}
	return p.Serves()
}

// rackAwareSelector is the value of replica.selector.class by which clients are
// sent to replicas in their own rack.
const rackAwareSelector = "org.apache.kafka.common.replica.RackAwareReplicaSelector"

// rackAware says whether clients are sent to replicas in their own rack.
func (b *Broker) rackAware() bool {
	return b.meta.Image().StaticConfig()["replica.selector.class"] == rackAwareSelector
}

// minRead is the least buffer for a read.
const minRead = 8 * kib

// drop gives back what was read.
func (f *fetch) drop() {
	for _, p := range f.parts {
		if p.buf != nil {
			putBuffer(p.buf)
		}
		p.buf, p.records = nil, nil
	}
}

// enough says whether the answer need not wait.
func (f *fetch) enough() bool {
	return f.failed || f.moved || f.bytes >= int(f.req.MinBytes) || len(f.parts) == 0 || f.req.MaxWaitMillis <= 0
}

// wait reads until there is enough, time is up, or ctx ends.
func (f *fetch) wait(ctx context.Context) {
	timer := time.NewTimer(time.Until(f.deadline))
	defer timer.Stop()
	for {
		f.read()
		if f.enough() {
			return
		}
		w := replica.NewWaiter(int64(int(f.req.MinBytes)-f.bytes), len(f.parts))
		for _, p := range f.parts {
			w.Watch(p.replica, p.hw, p.seen)
		}
		f.drop() // a wait holds no buffers
		over := false
		select {
		case <-w.C:
		case <-timer.C:
			over = true
		case <-ctx.Done():
			over = true
		}
		w.Stop()
		if over {
			f.read()
			return
		}
	}
}

// answer counts what goes out. The session is given back when it is encoded.
func (f *fetch) answer() kmsg.Response {
	a := &fetchAnswer{f: f}
	a.FetchResponse.Version = f.req.Version
	if f.session != nil {
		a.SessionID = f.session.id
	}
	incremental := f.session != nil && f.req.SessionEpoch > 0
	for _, p := range f.parts {
		if len(p.records) > 0 {
			f.count(p)
		}
		if incremental && !p.news() {
			continue
		}
		a.parts = append(a.parts, p)
		p.toldHW, _ = p.ends()
		p.toldStart = p.start
		if p.err != nil {
			p.toldHW = -2 // tell again once it is well
		}
	}
	return a
}

// news says whether an incremental answer has to name the partition.
func (p *fetchPart) news() bool {
	hw, _ := p.ends()
	return len(p.records) > 0 || p.err != nil || p.instead >= 0 || hw != p.toldHW || p.start != p.toldStart
}

// ends returns the high watermark and the last stable offset as the client is
// told them. A new leader gives what it knows to be committed, and -1 until it
// knows that this is not less than what clients have seen.
func (p *fetchPart) ends() (hw, stable int64) {
	if !p.settled {
		return -1, -1
	}
	return p.hw, p.stable
}

// count tells the counters what is delivered.
func (f *fetch) count(p *fetchPart) {
	var records, next int64
	for b := range batch.Split(p.records) {
		if h, err := batch.ParseHeader(b); err == nil {
			records += int64(h.NumRecords)
			next = h.LastOffset() + 1
		}
	}
	c := p.replica.Counters()
	c.RecordsOut.Add(records)
	c.BytesOut.Add(int64(len(p.records)))
	f.r.count(event.Fetch, p.replica, records, int64(len(p.records)))
	p.replica.Delivered(next)
}
