package coordinator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is Groups with one partition over a memLog, for one test.
type bench struct {
	*Groups
	t   testing.TB
	log *memLog
	hub *event.Hub
}

func start(t testing.TB, log *memLog) *bench {
	hub := event.New()
	b := &bench{NewGroups(Config{Partitions: 1, Hub: hub, Logger: slog.New(slog.DiscardHandler)}), t, log, hub}
	b.Elected(0, 1, log)
	return b
}

// in runs a test in a bubble of virtual time, with a loaded coordinator.
func in(t *testing.T, test func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		b := start(t, &memLog{})
		defer b.Close()
		synctest.Wait()
		test(t, b)
	})
}

func (b *bench) commit(ctx context.Context, group string, generation int32, member string, offset int64) int16 {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.Generation, req.MemberID = 9, group, generation, member
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset = offset
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{p}}}
	return b.OffsetCommit(ctx, req).Topics[0].Partitions[0].ErrorCode
}

func (b *bench) fetch(ctx context.Context, group string) (int64, int16) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version = 8
	req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: group, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}}}
	g := b.OffsetFetch(ctx, req).Groups[0]
	if g.ErrorCode != 0 {
		return -1, g.ErrorCode
	}
	return g.Topics[0].Partitions[0].Offset, 0
}

func joinRequest(group string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version, req.Group, req.ProtocolType = 3, group, "consumer"
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10_000, 60_000
	sub := kmsg.NewConsumerMemberMetadata()
	sub.Topics = []string{"t"}
	req.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: sub.AppendTo(nil)}}
	return req
}

// member joins alone and has partition 0 of t.
func (b *bench) member(ctx context.Context, group string) string {
	b.t.Helper()
	joined := b.JoinGroup(ctx, Client{ID: "c", Host: "/h"}, joinRequest(group))
	if joined.ErrorCode != 0 {
		b.t.Fatalf("join: %v", kerr.ErrorForCode(joined.ErrorCode))
	}
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.Generation, req.MemberID = group, joined.Generation, joined.MemberID
	a := kmsg.NewConsumerMemberAssignment()
	a.Topics = []kmsg.ConsumerMemberAssignmentTopic{{Topic: "t", Partitions: []int32{0}}}
	req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: joined.MemberID, MemberAssignment: a.AppendTo(nil)}}
	if code := b.SyncGroup(ctx, req).ErrorCode; code != 0 {
		b.t.Fatalf("sync: %v", kerr.ErrorForCode(code))
	}
	return joined.MemberID
}

func (b *bench) heartbeat(ctx context.Context, group, member string) int16 {
	req := kmsg.NewPtrHeartbeatRequest()
	req.Group, req.MemberID, req.Generation = group, member, 1
	return b.Heartbeat(ctx, req).ErrorCode
}

func (b *bench) state(ctx context.Context, group string) string {
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Version, req.Groups = 5, []string{group}
	return b.DescribeGroups(ctx, req).Groups[0].State
}

func wantCode(t *testing.T, got int16, want *kerr.Error) {
	t.Helper()
	code := int16(0)
	if want != nil {
		code = want.Code
	}
	if got != code {
		t.Fatalf("got %v, want %v", kerr.ErrorForCode(got), want)
	}
}

func TestGroups_SessionEndsWithoutHeartbeats(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		id := b.member(t.Context(), "g")
		for range 10 {
			time.Sleep(9 * time.Second)
			wantCode(t, b.heartbeat(t.Context(), "g", id), nil)
		}
		time.Sleep(10*time.Second - time.Millisecond)
		if s := b.state(t.Context(), "g"); s != "Stable" {
			t.Fatalf("the group is %s before the session has ended", s)
		}
		time.Sleep(61 * time.Second)
		if s := b.state(t.Context(), "g"); s != "Empty" {
			t.Fatalf("the group is %s after the session has ended", s)
		}
		wantCode(t, b.heartbeat(t.Context(), "g", id), kerr.UnknownMemberID)
	})
}

func TestGroups_IdleShardSleeps(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		// A virtual year ends at once only if nothing polls.
		time.Sleep(365 * 24 * time.Hour)
		wantCode(t, b.commit(t.Context(), "g", -1, "", 1), nil)
	})
}

func TestGroups_AnswersWaitForTheHighWatermark(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		id := b.member(t.Context(), "g")
		b.log.hold(true)
		done := make(chan string, 10)
		tell := func(what string, do func()) {
			go func() { do(); done <- what }()
			synctest.Wait()
		}
		tell("commit", func() { wantCode(t, b.commit(t.Context(), "g", 1, id, 7), nil) })
		tell("fetch", func() {
			if at, _ := b.fetch(t.Context(), "g"); at != 7 {
				t.Errorf("fetched %d", at)
			}
		})
		wantCode(t, b.heartbeat(t.Context(), "g", id), nil) // which does not wait
		key := event.GroupKey{Group: "g", Topic: "t"}
		if len(done) > 0 || b.hub.Group(key).Committed.Load() != -1 {
			t.Fatalf("%d answered before the commit, gauge %d", len(done), b.hub.Group(key).Committed.Load())
		}
		b.log.commit()
		synctest.Wait()
		if len(done) != 2 {
			t.Fatalf("%d answered after the commit", len(done))
		}
		if g := b.hub.Group(key); g.Committed.Load() != 7 || g.Commits.Load() != 1 || *g.Member.Load() != id || *g.ClientID.Load() != "c" {
			t.Fatalf("gauge %+v", g)
		}
	})
}

func TestGroups_LateCommitIsUnavailable(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		b.log.hold(true)
		began := time.Now()
		wantCode(t, b.commit(t.Context(), "g", -1, "", 7), kerr.CoordinatorNotAvailable)
		_, code := b.fetch(t.Context(), "g")
		wantCode(t, code, kerr.NotCoordinator)
		if took := time.Since(began); took != 10*time.Second {
			t.Fatalf("two requests took %v", took)
		}
		b.log.commit()
		b.log.hold(false)
		if at, _ := b.fetch(t.Context(), "g"); at != 7 {
			t.Fatalf("fetched %d once it is committed", at)
		}
	})
}

func TestGroups_LostLogEndsTheShard(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		b.log.hold(true)
		got := make(chan int16)
		go func() { got <- b.commit(t.Context(), "g", -1, "", 7) }()
		synctest.Wait()
		b.log.lose()
		wantCode(t, <-got, kerr.NotCoordinator)
		wantCode(t, b.commit(t.Context(), "g", -1, "", 7), kerr.NotCoordinator)
		b.log.hold(false)
		b.log.commit()
		b.Elected(0, 2, b.log)
		synctest.Wait()
		if at, code := b.fetch(t.Context(), "g"); at != 7 || code != 0 {
			t.Fatalf("a new epoch fetches %d, %v", at, kerr.ErrorForCode(code))
		}
	})
}

func TestGroups_AppendErrorsAreWhatClientsKnow(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		for _, c := range []struct{ err, want error }{
			{kerr.NotEnoughReplicas, kerr.CoordinatorNotAvailable},
			{fmt.Errorf("disk on fire: %w", kerr.KafkaStorageError), kerr.NotCoordinator},
			{kerr.NotLeaderForPartition, kerr.NotCoordinator},
			{kerr.MessageTooLarge, kerr.UnknownServerError},
			{errors.New("something else"), kerr.UnknownServerError},
		} {
			b.log.fail(c.err)
			if got := kerr.ErrorForCode(b.commit(t.Context(), "g", -1, "", 7)); !errors.Is(got, c.want) {
				t.Errorf("%v is answered with %v, want %v", c.err, got, c.want)
			}
		}
		b.log.fail(nil)
		if at, _ := b.fetch(t.Context(), "g"); at != -1 {
			t.Fatalf("fetched %d, which no log holds", at)
		}
	})
}

func TestGroups_LoadReplaysTheLog(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		id := b.member(t.Context(), "g")
		for i := range 100 {
			wantCode(t, b.commit(t.Context(), fmt.Sprint("simple", i), -1, "", int64(i)), nil)
		}
		wantCode(t, b.commit(t.Context(), "g", 1, id, 5), nil)
		b.log.gate = make(chan struct{})
		again := start(t, b.log)
		defer again.Close()
		synctest.Wait()
		wantCode(t, again.commit(t.Context(), "g", 1, id, 6), kerr.CoordinatorLoadInProgress)
		wantCode(t, again.heartbeat(t.Context(), "g", id), nil)
		wantCode(t, again.ListGroups(t.Context(), kmsg.NewPtrListGroupsRequest()).ErrorCode, kerr.CoordinatorLoadInProgress)
		again.ForgetTopics(func(topic string, _ [16]byte) bool { return false })
		close(b.log.gate)
		synctest.Wait()
		for i := range 100 {
			if at, code := again.fetch(t.Context(), fmt.Sprint("simple", i)); at != int64(i) || code != 0 {
				t.Fatalf("group %d is at %d, %v", i, at, kerr.ErrorForCode(code))
			}
		}
		if g := again.hub.Group(event.GroupKey{Group: "g", Topic: "t"}); g.Committed.Load() != 5 || g.Commits.Load() != 0 || *g.Member.Load() != id {
			t.Fatalf("gauge after the load: %+v", g)
		}
		if n := again.hub.Last(); n != 0 {
			t.Fatalf("the load told %d events: nothing has happened", n)
		}
		wantCode(t, again.commit(t.Context(), "g", 1, id, 6), nil)
		if n := len(again.ListGroups(t.Context(), kmsg.NewPtrListGroupsRequest()).Groups); n != 101 {
			t.Fatalf("%d groups", n)
		}
	})
}

func TestGroups_CorruptLogIsNotServed(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		wantCode(t, b.commit(t.Context(), "g", -1, "", 7), nil)
		b.log.data[len(b.log.data)-1] ^= 1
		again := start(t, b.log)
		defer again.Close()
		synctest.Wait()
		_, code := again.fetch(t.Context(), "g")
		wantCode(t, code, kerr.NotCoordinator)
	})
}

func TestGroups_ResignedAnswersWhoWaits(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		b.member(t.Context(), "g")
		got := make(chan int16)
		go func() { got <- b.JoinGroup(t.Context(), Client{ID: "d"}, joinRequest("g")).ErrorCode }()
		synctest.Wait()
		b.Resigned(0)
		wantCode(t, <-got, kerr.NotCoordinator)
		b.Elected(0, 1, b.log) // the same epoch, after Resigned
		synctest.Wait()
		if s := b.state(t.Context(), "g"); s != "Stable" {
			t.Fatalf("the group is %s", s)
		}
		b.Elected(0, 1, &memLog{}) // not newer: ignored
		if s := b.state(t.Context(), "g"); s != "Stable" {
			t.Fatalf("the group is %s", s)
		}
	})
}

func TestGroups_RequestsEndWithTheirContext(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		b.member(t.Context(), "g")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wantCode(t, b.JoinGroup(ctx, Client{ID: "d"}, joinRequest("g")).ErrorCode, kerr.CoordinatorNotAvailable)
	})
}

func TestGroups_WithoutAShard(t *testing.T) {
	b := &bench{Groups: NewGroups(Config{}), t: t}
	defer b.Close()
	ctx := t.Context()
	wantCode(t, b.commit(ctx, "g", -1, "", 1), kerr.NotCoordinator)
	wantCode(t, b.heartbeat(ctx, "g", "m"), kerr.NotCoordinator)
	_, code := b.fetch(ctx, "g")
	wantCode(t, code, kerr.NotCoordinator)
	wantCode(t, b.JoinGroup(ctx, Client{}, joinRequest("g")).ErrorCode, kerr.NotCoordinator)
	wantCode(t, b.SyncGroup(ctx, &kmsg.SyncGroupRequest{Group: "g"}).ErrorCode, kerr.NotCoordinator)
	wantCode(t, b.LeaveGroup(ctx, &kmsg.LeaveGroupRequest{Group: "g"}).ErrorCode, kerr.NotCoordinator)
	wantCode(t, b.OffsetDelete(ctx, &kmsg.OffsetDeleteRequest{Group: "g"}).ErrorCode, kerr.NotCoordinator)
	wantCode(t, b.DescribeGroups(ctx, &kmsg.DescribeGroupsRequest{Groups: []string{"g"}}).Groups[0].ErrorCode, kerr.NotCoordinator)
	wantCode(t, b.DeleteGroups(ctx, &kmsg.DeleteGroupsRequest{Groups: []string{"g"}}).Groups[0].ErrorCode, kerr.NotCoordinator)
	if resp := b.ListGroups(ctx, &kmsg.ListGroupsRequest{}); resp.ErrorCode != 0 || len(resp.Groups) != 0 {
		t.Fatalf("list: %+v", resp)
	}
	b.SetPartitions(0)
	wantCode(t, b.commit(ctx, "g", -1, "", 1), kerr.CoordinatorNotAvailable)
}

// TestGroups_ManyOffsetsAreManyBatches commits and deletes more than fits into
// one batch.
func TestGroups_ManyOffsetsAreManyBatches(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		req := kmsg.NewPtrOffsetCommitRequest()
		req.Version, req.Group = 9, "g"
		const n = 20_000
		topic := kmsg.OffsetCommitRequestTopic{Topic: "t"}
		for i := range int32(n) {
			topic.Partitions = append(topic.Partitions, kmsg.OffsetCommitRequestTopicPartition{Partition: i, Offset: 1})
		}
		req.Topics = append(req.Topics, topic)
		for _, p := range b.OffsetCommit(t.Context(), req).Topics[0].Partitions {
			wantCode(t, p.ErrorCode, nil)
		}
		if b.log.batches < 2 {
			t.Fatalf("%d offsets are in %d batches", n, b.log.batches)
		}
		wantCode(t, b.DeleteGroups(t.Context(), &kmsg.DeleteGroupsRequest{Groups: []string{"g"}}).Groups[0].ErrorCode, nil)
		if n := len(b.hub.Groups()); n != 0 {
			t.Fatalf("%d gauges of a group that was deleted", n)
		}
	})
}

func TestGroups_ManyPartitionsAreAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions = 3
		hub := event.New()
		b := &bench{Groups: NewGroups(Config{Partitions: partitions, Hub: hub}), t: t, hub: hub}
		defer b.Close()
		for p := range int32(partitions - 1) { // the last is another broker's
			b.Elected(p, 1, &memLog{})
		}
		synctest.Wait()
		fetch := kmsg.NewPtrOffsetFetchRequest()
		fetch.Version = 8
		var names []string
		for i := range 30 {
			name := fmt.Sprint("group-", i)
			names = append(names, name)
			mine := PartitionFor(name, partitions) < partitions-1
			code := b.commit(t.Context(), name, -1, "", int64(i))
			if mine != (code == 0) {
				t.Fatalf("commit of %s: %v", name, kerr.ErrorForCode(code))
			}
			fetch.Groups = append(fetch.Groups, kmsg.OffsetFetchRequestGroup{Group: name})
		}
		listed := len(b.ListGroups(t.Context(), &kmsg.ListGroupsRequest{Version: 5}).Groups)
		described := b.DescribeGroups(t.Context(), &kmsg.DescribeGroupsRequest{Version: 6, Groups: names}).Groups
		fetched := b.OffsetFetch(t.Context(), fetch).Groups
		deleted := b.DeleteGroups(t.Context(), &kmsg.DeleteGroupsRequest{Groups: names}).Groups
		own := 0
		for i, name := range names {
			var want *kerr.Error
			if PartitionFor(name, partitions) == partitions-1 {
				want = kerr.NotCoordinator
			} else {
				own++
				if at := fetched[i].Topics[0].Partitions[0].Offset; at != int64(i) {
					t.Errorf("%s is at %d", name, at)
				}
			}
			wantCode(t, fetched[i].ErrorCode, want)
			wantCode(t, described[i].ErrorCode, want)
			wantCode(t, deleted[i].ErrorCode, want)
			if fetched[i].Group != name || described[i].Group != name || deleted[i].Group != name {
				t.Errorf("answers are in another order than %s", name)
			}
		}
		if listed != own {
			t.Errorf("%d of %d groups are listed", listed, own)
		}
	})
}

func TestGroups_ForgetTopics(t *testing.T) {
	in(t, func(t *testing.T, b *bench) {
		wantCode(t, b.commit(t.Context(), "g", -1, "", 7), nil)
		b.ForgetTopics(func(topic string, id [16]byte) bool { return topic == "t" })
		synctest.Wait()
		if at, _ := b.fetch(t.Context(), "g"); at != -1 {
			t.Fatalf("the offset of a deleted topic is %d", at)
		}
	})
}
