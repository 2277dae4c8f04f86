package compat

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// partitions of each topic of a story: two for each of three brokers.
const partitions = 6

// library is the story of a client library.
type library struct {
	c      *cluster
	name   string
	d      driver
	codecs []string

	topic   string    // holds content, written once
	content []record  // all of topic, in the order in which it was written
	base    time.Time // its first timestamp

	work      string          // is worked on by the group
	group     string          //
	workNext  map[int32]int64 // end offsets of work, by what was acknowledged
	inbox     []record        // what the members took since the last check
	excuses   []string        // errors that members had since the last check
	handed    map[placed]bool // all that was ever taken
	assigned  map[string][]int32
	stepCount int
}

func newLibrary(c *cluster, name string, d driver, codecs ...string) story {
	return &library{c: c, name: name, d: d, codecs: codecs, topic: unique(name), work: unique(name + "-work"), group: unique(name + "-group"),
		base: time.Now().Add(-time.Hour).Truncate(time.Second), workNext: map[int32]int64{}, handed: map[placed]bool{}, assigned: map[string][]int32{}}
}

func (l *library) firstLife(t *testing.T) {
	t.Log(must(t, l.d, request{Do: "version"}).Version)
	l.checkCluster(t)
	l.checkTopics(t)
	l.checkContent(t)
	l.checkDeletes(t)
	l.checkFirstUse(t)

	must(t, l.d, request{Do: "create_topic", Topic: l.work, Partitions: partitions})
	l.c.created(t, l.work)
	l.join(t, "one")
	l.join(t, "two")
	l.settled(t, "one", "two")
	l.step(t, 60)
}

func (l *library) secondLife(t *testing.T) {
	l.readAgain(t)
	l.settled(t, "one", "two")
	l.step(t, 60)
	l.leave(t, "two")
	l.settled(t, "one")
	l.step(t, 30)
}

func (l *library) thirdLife(t *testing.T) {
	l.readAgain(t)
	l.settled(t, "one")
	l.step(t, 30)
	l.leave(t, "one")
	l.checkEmptyGroup(t)
	l.join(t, "three") // goes on where the others stopped: nothing is handed out twice
	l.settled(t, "three")
	l.step(t, 30)
	l.leave(t, "three")
	l.checkReset(t)
	for _, topic := range []string{l.topic, l.work} {
		must(t, l.d, request{Do: "delete_topic", Topic: topic})
	}
	eventually(t, 20*time.Second, func() error {
		if names := must(t, l.d, request{Do: "list_topics"}).Names; slices.Contains(names, l.topic) || slices.Contains(names, l.work) {
			return fmt.Errorf("deleted topics are still listed: %v", names)
		}
		return nil
	})
}

// --- cluster and topics

func (l *library) checkCluster(t *testing.T) {
	r := must(t, l.d, request{Do: "cluster"})
	if len(r.Brokers) != len(strings.Split(l.c.bootstrap, ",")) || r.ClusterID == "" && l.name != "franz-go" || !slices.Contains(r.Brokers, r.Controller) {
		t.Errorf("cluster: %d brokers %v, controller %d, id %q", len(r.Brokers), r.Brokers, r.Controller, r.ClusterID)
	}
}

// checkTopics makes the content topic with four partitions, widens it, and sets its configs.
func (l *library) checkTopics(t *testing.T) {
	create := request{Do: "create_topic", Topic: l.topic, Partitions: 4, Configs: map[string]string{"retention.ms": "7200000", "cleanup.policy": "delete"}}
	must(t, l.d, create)
	l.c.created(t, l.topic)
	if _, err := try(t, l.d, create); err == nil {
		t.Error("a second create_topic of the same name succeeded")
	}
	eventually(t, 20*time.Second, func() error {
		if names := must(t, l.d, request{Do: "list_topics"}).Names; !slices.Contains(names, l.topic) {
			return fmt.Errorf("the new topic is not in %v", names)
		}
		return nil
	})
	l.hasPartitions(t, 4)
	must(t, l.d, request{Do: "create_partitions", Topic: l.topic, Partitions: partitions})
	l.c.created(t, l.topic)
	l.hasPartitions(t, partitions)
	l.hasConfigs(t, map[string]string{"retention.ms": "7200000", "cleanup.policy": "delete"})
	set := map[string]string{"retention.ms": "86400000", "max.message.bytes": "1500000"}
	must(t, l.d, request{Do: "alter_config", Topic: l.topic, Configs: set})
	l.hasConfigs(t, set)
}

func (l *library) hasPartitions(t *testing.T, n int) {
	t.Helper()
	brokers := must(t, l.d, request{Do: "cluster"}).Brokers
	eventually(t, 20*time.Second, func() error {
		leaders := must(t, l.d, request{Do: "describe_topic", Topic: l.topic}).Leaders
		for _, leader := range leaders {
			if !slices.Contains(brokers, leader) {
				return fmt.Errorf("leader %d is no broker: %v of %v", leader, leaders, brokers)
			}
		}
		if len(leaders) != n {
			return fmt.Errorf("%d partitions, want %d", len(leaders), n)
		}
		return nil
	})
}

func (l *library) hasConfigs(t *testing.T, want map[string]string) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		got := must(t, l.d, request{Do: "describe_config", Topic: l.topic}).Configs
		for name, value := range want {
			if got[name] != value {
				return fmt.Errorf("%s is %q, want %q", name, got[name], value)
			}
		}
		return nil
	})
}

// --- content

// checkContent writes with each codec that the client has, and reads all back: by the client itself, by franz-go,
// from a point in time, and what franz-go wrote.
func (l *library) checkContent(t *testing.T) {
	next := map[int32]int64{}
	for i, codec := range l.codecs {
		sent := content(codec, partitions, l.base.Add(time.Duration(i)*5*time.Minute))
		if l.name == "kafkajs" {
			sent = withoutNullHeaders(sent) // its encoder takes no null; what others wrote it reads, see checkForeign
		}
		r := must(t, l.d, request{Do: "produce", Topic: l.topic, Codec: codec, Records: sent})
		l.content = append(l.content, written(t, sent, r.Placed, partitions, next)...)
	}
	l.readAgain(t)
	same(t, "read by franz-go", readAll(t, l.c, l.topic, len(l.content)), l.content)
	l.checkTimes(t)
	l.checkForeign(t)
}

// readAgain reads the content topic from its start and compares.
func (l *library) readAgain(t *testing.T) {
	t.Helper()
	r := must(t, l.d, request{Do: "consume", Topic: l.topic, Offsets: starts(partitions), Count: len(l.content)})
	same(t, "read by itself", r.Records, l.content)
	earliest := must(t, l.d, request{Do: "list_offsets", Topic: l.topic, At: "earliest"}).Offsets
	latest := must(t, l.d, request{Do: "list_offsets", Topic: l.topic, At: "latest"}).Offsets
	ends := map[int32]int64{}
	for _, r := range l.content {
		ends[r.Partition] = max(ends[r.Partition], r.Offset+1)
	}
	if !maps.Equal(earliest, starts(partitions)) || !maps.Equal(latest, ends) {
		t.Errorf("offsets from %v to %v, want to %v", earliest, latest, ends)
	}
}

// checkTimes finds offsets by timestamp and reads from them on.
func (l *library) checkTimes(t *testing.T) {
	for _, at := range []time.Time{l.base.Add(3 * time.Second), l.base.Add(2500 * time.Millisecond), l.base.Add(-time.Hour)} {
		found := must(t, l.d, request{Do: "list_offsets", Topic: l.topic, At: strconv.FormatInt(at.UnixMilli(), 10)}).Offsets
		want := firstSince(l.content, at.UnixMilli())
		if !maps.Equal(found, want) {
			t.Errorf("offsets since %v: %v, want %v", at, found, want)
			continue
		}
		part := since(l.content, want)
		r := must(t, l.d, request{Do: "consume", Topic: l.topic, Offsets: found, Count: len(part)})
		same(t, "read from a point in time", r.Records, part)
	}
}

// checkForeign lets the client read what another one wrote, with each codec that this one has.
func (l *library) checkForeign(t *testing.T) {
	other := startFranz(t, l.c)
	topic := unique(l.name + "-foreign")
	must(t, other, request{Do: "create_topic", Topic: topic, Partitions: 2})
	l.c.created(t, topic)
	next, all := map[int32]int64{}, []record{}
	for i, codec := range l.codecs {
		sent := content(codec, 2, l.base.Add(time.Duration(i)*5*time.Minute))
		r := must(t, other, request{Do: "produce", Topic: topic, Codec: codec, Records: sent})
		all = append(all, written(t, sent, r.Placed, 2, next)...)
	}
	r := must(t, l.d, request{Do: "consume", Topic: topic, Offsets: starts(2), Count: len(all)})
	same(t, "written by franz-go", r.Records, all)
	must(t, l.d, request{Do: "delete_topic", Topic: topic})
}

// checkDeletes removes records from the front of a partition, and then the topic.
func (l *library) checkDeletes(t *testing.T) {
	topic := unique(l.name + "-deletes")
	must(t, l.d, request{Do: "create_topic", Topic: topic, Partitions: 1})
	l.c.created(t, topic)
	var sent []record
	for i := range 10 {
		sent = append(sent, record{Timestamp: l.base.UnixMilli(), Value: fmt.Appendf(nil, "%d", i)})
	}
	r := must(t, l.d, request{Do: "produce", Topic: topic, Records: sent})
	sent = written(t, sent, r.Placed, 1, map[int32]int64{})
	must(t, l.d, request{Do: "delete_records", Topic: topic, Offsets: map[int32]int64{0: 4}})
	if got := must(t, l.d, request{Do: "list_offsets", Topic: topic, At: "earliest"}).Offsets; got[0] != 4 {
		t.Errorf("after delete_records before 4 the first offset is %d", got[0])
	}
	r = must(t, l.d, request{Do: "consume", Topic: topic, Offsets: map[int32]int64{0: 4}, Count: 6})
	same(t, "after delete_records", r.Records, sent[4:])
	must(t, l.d, request{Do: "delete_topic", Topic: topic})
	if _, err := try(t, l.d, request{Do: "delete_topic", Topic: topic}); err == nil {
		t.Error("a second delete_topic succeeded")
	}
}

// checkFirstUse writes to a topic that nobody made: the brokers make it, with one partition by default.
func (l *library) checkFirstUse(t *testing.T) {
	topic := unique(l.name + "-first-use")
	sent := []record{{Partition: -1, Timestamp: l.base.UnixMilli(), Key: []byte("k"), Value: []byte("first")}, {Partition: -1, Timestamp: l.base.UnixMilli(), Value: []byte("second")}}
	r := must(t, l.d, request{Do: "produce", Topic: topic, Records: sent})
	for i := range sent {
		sent[i].Partition, sent[i].Offset = r.Placed[i].Partition, r.Placed[i].Offset
	}
	same(t, "in a topic made by its first use", readAll(t, l.c, topic, len(sent)), sent)
	must(t, l.d, request{Do: "delete_topic", Topic: topic})
}

// readAll reads count records of a topic from its start by franz-go, and sees that there are no more.
func readAll(t *testing.T, c *cluster, topic string, count int) []record {
	t.Helper()
	cl := kgoClient(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out []record
	for len(out) < count {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%s: read %d records of %d", topic, len(out), count)
		}
		if err := fetches.Err(); err != nil && !kerr.IsRetriable(err) {
			t.Fatalf("%s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { out = append(out, fromKgo(r)) })
	}
	return out
}

// --- the group

func (l *library) join(t *testing.T, name string) {
	t.Helper()
	must(t, l.d, request{Do: "member_start", Name: name, Group: l.group, Topic: l.work})
	l.assigned[name] = nil
}

func (l *library) leave(t *testing.T, name string) {
	t.Helper()
	must(t, l.d, request{Do: "member_stop", Name: name})
	delete(l.assigned, name)
}

// look takes what the members have and notes who has which partitions.
func (l *library) look(t *testing.T, wait time.Duration) {
	t.Helper()
	for name := range l.assigned {
		r := must(t, l.d, request{Do: "member_take", Name: name, WaitMS: int(wait.Milliseconds())})
		l.assigned[name] = r.Assigned
		l.inbox = append(l.inbox, r.Records...)
		for _, e := range r.Errors {
			if !slices.Contains(l.excuses, e) {
				t.Logf("member %s: %s", name, e)
			}
			l.excuses = append(l.excuses, e)
		}
	}
}

// settled waits until the members share all partitions among them, each has some, and the group says the same.
func (l *library) settled(t *testing.T, members ...string) {
	t.Helper()
	eventually(t, 2*time.Minute, func() error {
		l.look(t, 0)
		if err := l.shared(l.assigned); err != nil {
			return fmt.Errorf("members: %w", err)
		}
		r, err := try(t, l.d, request{Do: "group_describe", Group: l.group})
		if err != nil { // a coordinator that was just started may not be there yet
			return err
		}
		if !strings.EqualFold(r.State, "Stable") || len(r.Members) != len(members) {
			return fmt.Errorf("the group is %s with members %v; want Stable with %v", r.State, r.Members, members)
		}
		said := map[string][]int32{}
		for _, m := range r.Members {
			for _, name := range members {
				if strings.HasSuffix(m.ClientID, "-"+name) {
					said[name] = slices.Sorted(slices.Values(m.Partitions))
				}
			}
		}
		if d := cmp.Diff(l.assigned, said); d != "" {
			return fmt.Errorf("assignment (−members +group):\n%s", d)
		}
		return nil
	})
}

// shared checks that each partition has one owner and each member a partition.
func (l *library) shared(assigned map[string][]int32) error {
	owner := map[int32]string{}
	for name, ps := range assigned {
		if len(ps) == 0 {
			return fmt.Errorf("%s has no partitions: %v", name, assigned)
		}
		for _, p := range ps {
			if owner[p] != "" {
				return fmt.Errorf("%d belongs to two: %v", p, assigned)
			}
			owner[p] = name
		}
	}
	if len(owner) != partitions {
		return fmt.Errorf("not all partitions have an owner: %v", assigned)
	}
	return nil
}

// step produces to the group's topic and follows the records through the group to the committed offsets.
func (l *library) step(t *testing.T, count int) {
	t.Helper()
	l.stepCount++
	var sent []record
	for i := range count {
		sent = append(sent, record{Partition: int32(i % partitions), Timestamp: l.base.Add(time.Duration(i) * time.Millisecond).UnixMilli(),
			Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "step %d record %d", l.stepCount, i), Headers: []header{{"step", strconv.AppendInt(nil, int64(l.stepCount), 10)}}})
	}
	r := must(t, l.d, request{Do: "produce", Topic: l.work, Records: sent})
	sent = written(t, sent, r.Placed, partitions, l.workNext)
	eventually(t, 60*time.Second, func() error {
		l.look(t, 100*time.Millisecond)
		if len(l.inbox) < count {
			return fmt.Errorf("the members took %d records of %d", len(l.inbox), count)
		}
		return nil
	})
	l.committed(t)
	l.look(t, 0)
	same(t, "taken by the members", l.once(t), sent)
	l.inbox, l.excuses = nil, nil
}

// once returns what was taken, each record once. A record may come twice only if a commit was refused (a rebalance
// came between): the member has told so then.
func (l *library) once(t *testing.T) []record {
	t.Helper()
	var out []record
	for _, r := range l.inbox {
		at := placed{r.Partition, r.Offset}
		if l.handed[at] {
			if len(l.excuses) == 0 {
				t.Errorf("record %d of partition %d was handed out twice", r.Offset, r.Partition)
			}
			continue
		}
		l.handed[at] = true
		out = append(out, r)
	}
	return out
}

// committed waits until the group's offsets are the ends of the topic.
func (l *library) committed(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		if got := l.groupOffsets(t); !maps.Equal(got, l.workNext) {
			return fmt.Errorf("committed %v, want %v", got, l.workNext)
		}
		return nil
	})
}

func (l *library) groupOffsets(t *testing.T) map[int32]int64 {
	t.Helper()
	return must(t, l.d, request{Do: "group_offsets", Group: l.group, Topic: l.work}).Offsets
}

func (l *library) checkEmptyGroup(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, func() error {
		r := must(t, l.d, request{Do: "group_describe", Group: l.group})
		if !strings.EqualFold(r.State, "Empty") || len(r.Members) != 0 {
			return fmt.Errorf("the group is %s with members %v", r.State, r.Members)
		}
		return nil
	})
	if names := must(t, l.d, request{Do: "group_list"}).Names; !slices.Contains(names, l.group) {
		t.Errorf("the group is not in %v", names)
	}
	l.committed(t)
}

// checkReset sets the empty group's offsets back, and deletes it.
func (l *library) checkReset(t *testing.T) {
	t.Helper()
	l.checkEmptyGroup(t)
	must(t, l.d, request{Do: "group_reset", Group: l.group, Topic: l.work, Offsets: starts(partitions)})
	if got := l.groupOffsets(t); !maps.Equal(got, starts(partitions)) {
		t.Errorf("after the reset the offsets are %v", got)
	}
	must(t, l.d, request{Do: "group_delete", Group: l.group})
	if names := must(t, l.d, request{Do: "group_list"}).Names; slices.Contains(names, l.group) {
		t.Errorf("the deleted group is in %v", names)
	}
	if _, err := try(t, l.d, request{Do: "group_delete", Group: l.group}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second group_delete: %v", err)
	}
}
