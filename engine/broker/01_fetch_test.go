package broker

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/engine/batch"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
)

// want is one partition that a test fetches.
type want struct {
	topic     *metadata.Topic
	partition int32
	offset    int64
	maxBytes  int32 // 0: 1 MiB
	epoch     int32 // 0: none is sent
}

func fetchRequest(version int16, wants ...want) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MinBytes, req.MaxBytes, req.MaxWaitMillis, req.SessionEpoch = version, 1, 1<<20, 0, -1
	req.Topics = fetchTopics(version, wants...)
	return req
}

func fetchTopics(version int16, wants ...want) (out []kmsg.FetchRequestTopic) {
	for _, w := range wants {
		t := kmsg.NewFetchRequestTopic()
		if version >= 13 {
			t.TopicID = w.topic.ID
		} else {
			t.Topic = w.topic.Name
		}
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.FetchOffset, p.PartitionMaxBytes = w.partition, w.offset, w.maxBytes
		if w.maxBytes == 0 {
			p.PartitionMaxBytes = 1 << 20
		}
		if w.epoch != 0 {
			p.CurrentLeaderEpoch = w.epoch
		}
		t.Partitions = []kmsg.FetchRequestTopicPartition{p}
		out = append(out, t)
	}
	return out
}

func (r *raw) fetch(req *kmsg.FetchRequest) *kmsg.FetchResponse {
	r.t.Helper()
	return r.ask(req).(*kmsg.FetchResponse)
}

// write appends n batches of one record of size bytes.
func (n *testNode) write(topic *metadata.Topic, partition int32, count, size int) {
	n.t.Helper()
	r := n.dial()
	for range count {
		got := r.produce(produceRequest(9, topic, partition, -1, records(batch.BuilderOptions{}, 1, size)))
		must(n.t, kerr.ErrorForCode(got.ErrorCode))
	}
	_ = r.nc.Close()
}

func TestFetch_EveryVersion(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 2)
	n.write(topic, 0, 3, 100)
	for version := int16(4); version <= 18; version++ {
		resp := n.dial().fetch(fetchRequest(version, want{topic: topic}, want{topic: topic, partition: 1}))
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 2 {
			t.Fatalf("version %d: %+v", version, resp)
		}
		p := resp.Topics[0].Partitions[0]
		if p.ErrorCode != 0 || p.HighWatermark != 3 || p.LastStableOffset != 3 || (version >= 5 && p.LogStartOffset != 0) || batchAt(p.RecordBatches) != 0 {
			t.Fatalf("version %d: %+v", version, p)
		}
		if version >= 11 && p.PreferredReadReplica != -1 {
			t.Fatalf("version %d: preferred replica %d", version, p.PreferredReadReplica)
		}
		if e := resp.Topics[0].Partitions[1]; e.ErrorCode != 0 || e.RecordBatches == nil || len(e.RecordBatches) != 0 {
			t.Fatalf("version %d: the empty partition is %+v", version, e)
		}
	}
	key := event.LinkKey{Direction: event.Fetch, ClientID: "raw", Topic: "t"}
	if got := n.hub.Link(key).Records.Load(); got != 3*15 {
		t.Fatalf("%d records counted out, want %d", got, 3*15)
	}
}

func TestFetch_Errors(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	n.write(topic, 0, 3, 10)
	missing := &metadata.Topic{Name: "missing", ID: metadata.NewUUID()}
	for name, c := range map[string]struct {
		version int16
		want    want
		err     *kerr.Error
	}{
		"a missing topic":                {12, want{topic: missing}, kerr.UnknownTopicOrPartition},
		"a missing topic id":             {13, want{topic: missing}, kerr.UnknownTopicID},
		"a missing partition":            {13, want{topic: topic, partition: 9}, kerr.UnknownTopicOrPartition},
		"an offset above the end":        {13, want{topic: topic, offset: 4}, kerr.OffsetOutOfRange},
		"a negative offset":              {13, want{topic: topic, offset: -1}, kerr.OffsetOutOfRange},
		"a leader epoch that is to come": {13, want{topic: topic, epoch: 9}, kerr.UnknownLeaderEpoch},
	} {
		t.Run(name, func(t *testing.T) {
			p := n.dial().fetch(fetchRequest(c.version, c.want)).Topics[0].Partitions[0]
			if p.ErrorCode != c.err.Code || len(p.RecordBatches) != 0 {
				t.Fatalf("got %v, want %v", kerr.ErrorForCode(p.ErrorCode), c.err)
			}
		})
	}
	if p := n.dial().fetch(fetchRequest(13, want{topic: topic, offset: 3})).Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Fatalf("the end of the log is %v", kerr.ErrorForCode(p.ErrorCode))
	}
	t.Run("a replica id", func(t *testing.T) {
		req := fetchRequest(14, want{topic: topic})
		req.ReplicaID = 1
		if resp := n.dial().fetch(req); resp.ErrorCode != kerr.ClusterAuthorizationFailed.Code || len(resp.Topics) != 0 {
			t.Fatalf("got %+v", resp)
		}
		req = fetchRequest(15, want{topic: topic})
		req.ReplicaState.ID = 1
		if resp := n.dial().fetch(req); resp.ErrorCode != kerr.ClusterAuthorizationFailed.Code {
			t.Fatalf("got %+v", resp)
		}
	})
}

func TestFetch_LimitsBytes(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 2)
	n.write(topic, 0, 10, 1000)
	n.write(topic, 1, 10, 1000)
	read := func(max, partMax int32) (a, b int) {
		req := fetchRequest(13, want{topic: topic, maxBytes: partMax}, want{topic: topic, partition: 1, maxBytes: partMax})
		req.MaxBytes = max
		p := n.dial().fetch(req).Topics[0].Partitions
		return len(p[0].RecordBatches), len(p[1].RecordBatches)
	}
	one, _ := read(1, 1)
	if one < 1000 || one > 1200 {
		t.Fatalf("at least one batch is given whatever the limit: %d bytes", one)
	}
	size := int32(one)
	for _, c := range []struct {
		max, partMax int32
		a, b         int32 // batches
	}{
		{1, 1, 1, 0}, {0, 0, 1, 0}, {-5, -5, 1, 0}, {math.MaxInt32, 1, 1, 0}, {3 * size, math.MaxInt32, 3, 0},
		{12 * size, math.MaxInt32, 10, 2}, {math.MaxInt32, 2*size + 5, 2, 2}, {math.MaxInt32, math.MaxInt32, 10, 10},
	} {
		a, b := read(c.max, c.partMax)
		if int32(a) != c.a*size || int32(b) != c.b*size {
			t.Errorf("max %d, of a partition %d: %d and %d bytes, want %d and %d batches of %d", c.max, c.partMax, a, b, c.a, c.b, size)
		}
	}
}

func TestFetch_Sessions(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 3)
	r := n.dial()
	open := fetchRequest(13, want{topic: topic}, want{topic: topic, partition: 1}, want{topic: topic, partition: 2})
	open.SessionEpoch = 0
	first := r.fetch(open)
	if first.SessionID == 0 || len(first.Topics[0].Partitions) != 3 {
		t.Fatalf("the full fetch: %+v", first)
	}
	next := func(epoch int32, forget []int32, wants ...want) *kmsg.FetchResponse {
		req := fetchRequest(13)
		req.SessionID, req.SessionEpoch, req.Topics = first.SessionID, epoch, fetchTopics(13, wants...)
		if forget != nil {
			f := kmsg.NewFetchRequestForgottenTopic()
			f.TopicID, f.Partitions = topic.ID, forget
			req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{f}
		}
		return r.fetch(req)
	}
	if resp := next(1, nil); resp.ErrorCode != 0 || len(resp.Topics) != 0 {
		t.Fatalf("nothing new: %+v", resp)
	}
	n.write(topic, 1, 1, 10)
	resp := next(2, nil)
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 || resp.Topics[0].Partitions[0].Partition != 1 || len(resp.Topics[0].Partitions[0].RecordBatches) == 0 {
		t.Fatalf("news of one partition: %+v", resp)
	}
	if resp := next(3, nil, want{topic: topic, partition: 1, offset: 1}); len(resp.Topics) != 0 {
		t.Fatalf("the client has it all: %+v", resp)
	}
	n.write(topic, 2, 1, 10)
	if resp := next(4, []int32{2}); len(resp.Topics) != 0 {
		t.Fatalf("a forgotten partition is told: %+v", resp)
	}
	for name, c := range map[string]struct {
		version   int16
		id, epoch int32
		want      *kerr.Error
	}{
		"an epoch again":          {13, first.SessionID, 4, kerr.InvalidFetchSessionEpoch},
		"an epoch too far":        {13, first.SessionID, 6, kerr.InvalidFetchSessionEpoch},
		"an unknown session":      {13, first.SessionID + 1, 5, kerr.FetchSessionIDNotFound},
		"names instead of ids":    {12, first.SessionID, 5, kerr.FetchSessionTopicIDError},
		"no session and an epoch": {13, 0, 1, kerr.FetchSessionIDNotFound},
	} {
		req := fetchRequest(c.version)
		req.SessionID, req.SessionEpoch = c.id, c.epoch
		if resp := n.dial().fetch(req); resp.ErrorCode != c.want.Code {
			t.Errorf("%s: %v, want %v", name, kerr.ErrorForCode(resp.ErrorCode), c.want)
		}
	}
	if resp := next(5, nil, want{topic: topic, partition: 0, offset: 99}); resp.Topics[0].Partitions[0].ErrorCode != kerr.OffsetOutOfRange.Code {
		t.Fatalf("an error is told: %+v", resp)
	}
	if resp := next(6, nil); len(resp.Topics) != 1 {
		t.Fatalf("an error that lasts is told again: %+v", resp)
	}
	if resp := next(-1, nil); resp.SessionID != 0 {
		t.Fatalf("the session goes on after its end: %+v", resp)
	}
	if resp := next(7, nil); resp.ErrorCode != kerr.FetchSessionIDNotFound.Code {
		t.Fatalf("the session is still there: %+v", resp)
	}
}

func TestFetchSessions_AreBounded(t *testing.T) {
	limits := Limits{FetchSessions: 2, FetchSessionMinEviction: time.Minute}.withDefaults()
	cache := newFetchSessions(limits)
	topic := &metadata.Topic{ID: metadata.NewUUID()}
	now := time.UnixMilli(0)
	begin := func(id, epoch int32) *fetchSession {
		req := fetchRequest(13, want{topic: topic})
		req.SessionID, req.SessionEpoch = id, epoch
		s, err := cache.begin(req, now)
		must(t, err)
		if s != nil {
			cache.done(s)
		}
		return s
	}
	a, b := begin(0, 0), begin(0, 0)
	if c := begin(0, 0); a == nil || b == nil || c != nil {
		t.Fatal("there must be room for two")
	}
	now = now.Add(40 * time.Second)
	begin(a.id, 1)
	now = now.Add(40 * time.Second)
	c := begin(0, 0)
	if c == nil || cache.byID[b.id] != nil || cache.byID[a.id] == nil {
		t.Fatal("the longest unused must make room, and only it")
	}
	if d := begin(0, 0); d != nil {
		t.Fatal("a session that was used in the last minute was evicted")
	}
	if len(cache.byID) != 2 || cache.oldest.Len() != 2 {
		t.Fatalf("%d sessions by id, %d by age", len(cache.byID), cache.oldest.Len())
	}
}

// A busy session must not be touched by a second connection.
func TestFetchSessions_OneFetchAtATime(t *testing.T) {
	cache := newFetchSessions(Limits{}.withDefaults())
	topic := &metadata.Topic{ID: metadata.NewUUID()}
	req := fetchRequest(13, want{topic: topic})
	req.SessionEpoch = 0
	s, err := cache.begin(req, time.Now())
	must(t, err)
	req.SessionID, req.SessionEpoch = s.id, 1
	if _, err := cache.begin(req, time.Now()); err != kerr.InvalidFetchSessionEpoch {
		t.Fatalf("got %v", err)
	}
	cache.done(s)
	if _, err := cache.begin(req, time.Now()); err != nil {
		t.Fatal(err)
	}
}

// The hand-made encoding must be kmsg's, byte for byte.
func TestFetchAnswer_IsEncodedAsKmsgDoes(t *testing.T) {
	n := startNode(t, nodeOptions{})
	one, two := n.createTopic("one", 2), n.createTopic("two", 1)
	n.write(one, 0, 2, 50)
	n.write(two, 0, 1, 300)
	for version := int16(4); version <= 18; version++ {
		for _, isolation := range []int8{0, 1} {
			req := fetchRequest(version, want{topic: one}, want{topic: two}, want{topic: one, partition: 1}, want{topic: one, offset: 99})
			req.IsolationLevel = isolation
			r := &request{conn: &conn{b: n.broker}, version: version, received: time.Now(), clientID: "x"}
			f := newFetch(n.broker, r, req, nil)
			f.read()
			a := f.answer().(*fetchAnswer)
			body, cuts := a.appendBody(nil)
			var got []byte
			from := 0
			for _, c := range cuts {
				got = append(append(got, body[from:c.at]...), c.piece...)
				from = c.at
			}
			got = append(got, body[from:]...)
			resp := req.ResponseKind().(*kmsg.FetchResponse)
			must(t, resp.ReadFrom(got))
			if again := resp.AppendTo(nil); string(again) != string(got) {
				t.Fatalf("version %d:\nours %x\nkmsg %x", version, got, again)
			}
			if len(cuts) != 2 {
				t.Fatalf("version %d: %d pieces of records", version, len(cuts))
			}
			a.release()
		}
	}
}

// A client may ask again as soon as it has the answer, so its session must be
// free by then.
func TestFetchAnswer_SessionIsFreeBeforeItGoesOut(t *testing.T) {
	n := startNode(t, nodeOptions{})
	topic := n.createTopic("t", 1)
	n.write(topic, 0, 1, 50)
	req := fetchRequest(13, want{topic: topic})
	req.SessionEpoch = 0
	s, err := n.broker.sessions.begin(req, time.Now())
	must(t, err)
	f := newFetch(n.broker, &request{conn: &conn{b: n.broker}, version: 13, received: time.Now()}, req, s)
	f.read()
	a := f.answer().(*fetchAnswer)
	if _, cuts := a.appendBody(nil); len(cuts) != 1 || len(cuts[0].piece) == 0 {
		t.Fatalf("%d pieces of records", len(cuts))
	}
	again := fetchRequest(13)
	again.SessionID, again.SessionEpoch = s.id, 1
	if _, err := n.broker.sessions.begin(again, time.Now()); err != nil {
		t.Errorf("before the answer is out: %v", err)
	}
	n.broker.sessions.done(s)
	a.release()
}

// inBubble runs fn with a node on a network in memory, in virtual time.
func inBubble(t *testing.T, fn func(t *testing.T, n *testNode)) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, nodeOptions{network: netx.NewMem()})
		fn(t, n)
		n.close()
	})
}

func TestFetch_WaitsUntilTimeIsUp(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		topic := n.createTopic("t", 1)
		req := fetchRequest(13, want{topic: topic})
		req.MaxWaitMillis = 500
		started := time.Now()
		resp := n.dial().fetch(req)
		if took := time.Since(started); took != 500*time.Millisecond || len(resp.Topics[0].Partitions[0].RecordBatches) != 0 {
			t.Fatalf("answered after %v: %+v", took, resp)
		}
	})
}

func TestFetch_IsWokenByRecords(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		topic := n.createTopic("t", 50)
		var wants []want
		for i := range int32(50) {
			wants = append(wants, want{topic: topic, partition: i})
		}
		req := fetchRequest(13, wants...)
		req.MaxWaitMillis = 60_000
		r := n.dial()
		started := time.Now()
		id := r.send(req)
		synctest.Wait()
		time.Sleep(10 * time.Second)
		n.write(topic, 33, 1, 10)
		resp := r.receive(req, id).(*kmsg.FetchResponse)
		if took := time.Since(started); took < 10*time.Second || took > 11*time.Second {
			t.Fatalf("answered after %v", took)
		}
		if got := resp.Topics[0].Partitions[33]; len(got.RecordBatches) == 0 || got.HighWatermark != 1 {
			t.Fatalf("got %+v", got)
		}
	})
}

func TestFetch_WaitsForMinBytes(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		topic := n.createTopic("t", 2)
		req := fetchRequest(13, want{topic: topic}, want{topic: topic, partition: 1})
		req.MaxWaitMillis, req.MinBytes = 60_000, 3000
		r := n.dial()
		id := r.send(req)
		started := time.Now()
		for i := range int32(4) {
			time.Sleep(time.Second)
			n.write(topic, i%2, 1, 1000)
		}
		resp := r.receive(req, id).(*kmsg.FetchResponse)
		if took := time.Since(started); took < 3*time.Second || took > 4*time.Second {
			t.Fatalf("answered after %v, the third batch made it 3000 bytes", took)
		}
		var got int
		for _, p := range resp.Topics[0].Partitions {
			got += len(p.RecordBatches)
		}
		if got < 3000 {
			t.Fatalf("%d bytes", got)
		}
	})
}

func TestFetch_IsWokenWhenItsTopicGoes(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		topic := n.createTopic("t", 1)
		req := fetchRequest(13, want{topic: topic})
		req.MaxWaitMillis = 60_000
		r := n.dial()
		id := r.send(req)
		time.Sleep(time.Second)
		n.deleteTopic("t")
		resp := r.receive(req, id).(*kmsg.FetchResponse)
		if code := resp.Topics[0].Partitions[0].ErrorCode; code != kerr.UnknownTopicID.Code {
			t.Fatalf("got %v", kerr.ErrorForCode(code))
		}
	})
}

func TestBroker_CloseAnswersWhoWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		topic := n.createTopic("t", 1)
		req := fetchRequest(13, want{topic: topic})
		req.MaxWaitMillis = 60_000
		r := n.dial()
		id := r.send(req)
		synctest.Wait()
		started := time.Now()
		must(t, n.broker.Close(context.Background()))
		if resp := r.receive(req, id).(*kmsg.FetchResponse); resp.Topics[0].Partitions[0].ErrorCode != 0 || time.Since(started) > 0 {
			t.Fatalf("after %v: %+v", time.Since(started), resp)
		}
	})
}

func TestConn_IdleOnesAreClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		topic := n.createTopic("t", 1)
		idle, waiting := n.dial(), n.dial()
		idle.ask(kmsg.NewPtrApiVersionsRequest())
		req := fetchRequest(13, want{topic: topic})
		req.MaxWaitMillis = int32((11 * time.Minute).Milliseconds())
		id := waiting.send(req)
		started := time.Now()
		if _, err := idle.nc.Read(make([]byte, 1)); err == nil || time.Since(started) != 10*time.Minute {
			t.Fatalf("%v after %v", err, time.Since(started))
		}
		waiting.receive(req, id) // one that waits for an answer is not idle
	})
}

func TestConn_SlowSendersAreCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		r := n.dial()
		_, err := r.nc.Write([]byte{0, 0, 1, 0, 0, 3})
		must(t, err)
		started := time.Now()
		if _, err := r.nc.Read(make([]byte, 1)); err == nil || time.Since(started) != 30*time.Second {
			t.Fatalf("%v after %v", err, time.Since(started))
		}
	})
}
