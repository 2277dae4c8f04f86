package compat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// franz is the driver of franz-go, in this process.
type franz struct {
	bootstrap []string
	adm       *kadm.Client
	producers map[string]*kgo.Client
	members   map[string]*franzMember
}

func startFranz(t *testing.T, c *cluster) driver {
	t.Helper()
	f := &franz{bootstrap: strings.Split(c.bootstrap, ","), producers: map[string]*kgo.Client{}, members: map[string]*franzMember{}}
	f.adm = kadm.NewClient(kgoClient(t, c))
	t.Cleanup(func() {
		for _, m := range f.members {
			m.stop()
		}
		for _, p := range f.producers {
			p.Close()
		}
	})
	return f
}

// kgoClient returns a client that is closed at the end of the test.
func kgoClient(t *testing.T, c *cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(strings.Split(c.bootstrap, ",")...), kgo.ClientID("compat-franz-go"),
		kgo.MetadataMinAge(100 * time.Millisecond)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func (f *franz) do(ctx context.Context, q request) (reply, error) {
	switch q.Do {
	case "version":
		return reply{Version: "franz-go"}, nil
	case "produce":
		return f.produce(ctx, q)
	case "consume":
		return f.consume(ctx, q)
	case "member_start":
		return reply{}, f.startMember(q)
	case "member_take":
		return f.members[q.Name].take(time.Duration(q.WaitMS) * time.Millisecond), nil
	case "member_stop":
		f.members[q.Name].stop()
		delete(f.members, q.Name)
		return reply{}, nil
	}
	// After a restart each connection is found dead when it is used next. kgo asks on for most requests, but for the
	// metadata behind some of kadm's calls three times only, and there are three brokers and a seed.
	r, err := f.ask(ctx, q)
	for i := 0; i < 4 && errors.Is(err, io.EOF); i++ {
		r, err = f.ask(ctx, q)
	}
	return r, err
}

func (f *franz) ask(ctx context.Context, q request) (reply, error) {
	if strings.HasPrefix(q.Do, "group_") {
		return f.group(ctx, q)
	}
	return f.admin(ctx, q)
}

func (f *franz) admin(ctx context.Context, q request) (r reply, err error) {
	switch q.Do {
	case "cluster":
		var m kadm.Metadata
		m, err = f.adm.BrokerMetadata(ctx)
		r.Brokers, r.Controller, r.ClusterID = m.Brokers.NodeIDs(), m.Controller, m.Cluster
	case "create_topic":
		configs := map[string]*string{}
		for name, value := range q.Configs {
			configs[name] = &value
		}
		_, err = f.adm.CreateTopic(ctx, q.Partitions, -1, configs, q.Topic)
	case "list_topics":
		var topics kadm.TopicDetails
		topics, err = f.adm.ListTopics(ctx)
		r.Names = topics.Names()
	case "describe_topic":
		var topics kadm.TopicDetails
		topics, err = f.adm.ListTopics(ctx, q.Topic)
		for _, p := range topics[q.Topic].Partitions.Sorted() {
			r.Leaders = append(r.Leaders, p.Leader)
		}
		err = errors.Join(err, topics.Error())
	case "create_partitions":
		var made kadm.CreatePartitionsResponses
		made, err = f.adm.UpdatePartitions(ctx, int(q.Partitions), q.Topic)
		err = errors.Join(err, made.Error())
	case "delete_topic":
		_, err = f.adm.DeleteTopic(ctx, q.Topic)
	case "alter_config":
		var alter []kadm.AlterConfig
		for name, value := range q.Configs {
			alter = append(alter, kadm.AlterConfig{Op: kadm.SetConfig, Name: name, Value: &value})
		}
		var done kadm.AlterConfigsResponses
		done, err = f.adm.AlterTopicConfigs(ctx, alter, q.Topic)
		for _, one := range done {
			err = errors.Join(err, one.Err)
		}
	case "describe_config":
		var all kadm.ResourceConfigs
		all, err = f.adm.DescribeTopicConfigs(ctx, q.Topic)
		r.Configs = map[string]string{}
		for _, one := range all {
			err = errors.Join(err, one.Err)
			for _, c := range one.Configs {
				r.Configs[c.Key] = c.MaybeValue()
			}
		}
	case "list_offsets":
		return f.listOffsets(ctx, q)
	case "delete_records":
		_, err = f.adm.DeleteRecords(ctx, offsetsOf(q))
	default:
		err = fmt.Errorf("no such command: %s", q.Do)
	}
	return r, err
}

func offsetsOf(q request) kadm.Offsets {
	offsets := kadm.Offsets{}
	for p, o := range q.Offsets {
		offsets.AddOffset(q.Topic, p, o, -1)
	}
	return offsets
}

func (f *franz) listOffsets(ctx context.Context, q request) (r reply, err error) {
	var listed kadm.ListedOffsets
	switch q.At {
	case "earliest":
		listed, err = f.adm.ListStartOffsets(ctx, q.Topic)
	case "latest":
		listed, err = f.adm.ListEndOffsets(ctx, q.Topic)
	default:
		var ts int64
		if ts, err = strconv.ParseInt(q.At, 10, 64); err == nil {
			listed, err = f.adm.ListOffsetsAfterMilli(ctx, ts, q.Topic)
		}
	}
	r.Offsets = map[int32]int64{}
	for p, o := range listed[q.Topic] {
		r.Offsets[p] = o.Offset
	}
	return r, errors.Join(err, listed.Error())
}

func (f *franz) group(ctx context.Context, q request) (r reply, err error) {
	switch q.Do {
	case "group_list":
		var groups kadm.ListedGroups
		groups, err = f.adm.ListGroups(ctx)
		r.Names = groups.Groups()
	case "group_describe":
		var groups kadm.DescribedGroups
		groups, err = f.adm.DescribeGroups(ctx, q.Group)
		r.State = groups[q.Group].State
		for _, m := range groups[q.Group].Members {
			member := groupMember{ClientID: m.ClientID}
			if a, ok := m.Assigned.AsConsumer(); ok {
				for _, topic := range a.Topics {
					member.Partitions = append(member.Partitions, topic.Partitions...)
				}
			}
			r.Members = append(r.Members, member)
		}
		err = errors.Join(err, groups.Error())
	case "group_offsets":
		var fetched kadm.OffsetResponses
		fetched, err = f.adm.FetchOffsets(ctx, q.Group)
		r.Offsets = map[int32]int64{}
		for p, o := range fetched[q.Topic] {
			r.Offsets[p] = o.At
		}
		err = errors.Join(err, fetched.Error())
	case "group_reset":
		var done kadm.OffsetResponses
		done, err = f.adm.CommitOffsets(ctx, q.Group, offsetsOf(q))
		err = errors.Join(err, done.Error())
	case "group_delete":
		var gone kadm.DeleteGroupResponses
		gone, err = f.adm.DeleteGroups(ctx, q.Group)
		err = errors.Join(err, gone.Error())
	}
	return r, err
}

func (f *franz) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(f.bootstrap...), kgo.ClientID("compat-franz-go"), kgo.MetadataMinAge(100 * time.Millisecond)}, opts...)...)
}

func (f *franz) produce(ctx context.Context, q request) (reply, error) {
	cl := f.producers[q.Codec]
	if cl == nil {
		codec, ok := codecs[q.Codec]
		if !ok {
			codec = kgo.NoCompression()
		}
		made, err := f.client(kgo.AllowAutoTopicCreation(), kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(byHandOrKey()), kgo.ProducerLinger(5*time.Millisecond))
		if err != nil {
			return reply{}, err
		}
		cl, f.producers[q.Codec] = made, made
	}
	out := make([]*kgo.Record, len(q.Records))
	for i, r := range q.Records {
		out[i] = &kgo.Record{Topic: q.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
		if r.Timestamp > 0 {
			out[i].Timestamp = time.UnixMilli(r.Timestamp)
		}
		for _, h := range r.Headers {
			out[i].Headers = append(out[i].Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
	}
	if err := cl.ProduceSync(ctx, out...).FirstErr(); err != nil {
		return reply{}, err
	}
	var r reply
	for _, one := range out {
		r.Placed = append(r.Placed, placed{one.Partition, one.Offset})
	}
	return r, nil
}

// byHandOrKey sends a record to the partition that it names, or with −1 where its key's murmur2 hash says, as the
// Java client does.
func byHandOrKey() kgo.Partitioner {
	byKey := kgo.StickyKeyPartitioner(nil)
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		keyed := byKey.ForTopic(topic)
		return func(r *kgo.Record, n int) int {
			if r.Partition >= 0 {
				return int(r.Partition)
			}
			return keyed.Partition(r, n)
		}
	})
}

func (f *franz) consume(ctx context.Context, q request) (reply, error) {
	at := map[int32]kgo.Offset{}
	for p, o := range q.Offsets {
		at[p] = kgo.NewOffset().At(o)
	}
	cl, err := f.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{q.Topic: at}))
	if err != nil {
		return reply{}, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var r reply
	for len(r.Records) < q.Count {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			break
		}
		if err := fetches.Err(); err != nil {
			return r, err
		}
		fetches.EachRecord(func(one *kgo.Record) { r.Records = append(r.Records, fromKgo(one)) })
	}
	return r, nil
}

func fromKgo(k *kgo.Record) record {
	r := record{Partition: k.Partition, Offset: k.Offset, Timestamp: k.Timestamp.UnixMilli(), Key: k.Key, Value: k.Value}
	for _, h := range k.Headers {
		r.Headers = append(r.Headers, header{h.Key, h.Value})
	}
	return r
}

// franzMember is a group member that commits what it took after each poll.
type franzMember struct {
	cl     *kgo.Client
	cancel context.CancelFunc
	ended  chan struct{}
	news   chan struct{} // has room for one

	mu       sync.Mutex
	taken    []record
	errors   []string
	assigned map[int32]bool
}

func (f *franz) startMember(q request) error {
	m := &franzMember{ended: make(chan struct{}), news: make(chan struct{}, 1), assigned: map[int32]bool{}}
	mark := func(on bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, p := range partitions[q.Topic] {
				m.assigned[p] = on
			}
		}
	}
	cl, err := f.client(kgo.ConsumerGroup(q.Group), kgo.ConsumeTopics(q.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.ClientID("compat-franz-go-"+q.Name),
		kgo.DisableAutoCommit(), kgo.SessionTimeout(10*time.Second), kgo.HeartbeatInterval(500*time.Millisecond), kgo.FetchMaxWait(500*time.Millisecond),
		kgo.OnPartitionsAssigned(mark(true)), kgo.OnPartitionsRevoked(mark(false)), kgo.OnPartitionsLost(mark(false)))
	if err != nil {
		return err
	}
	m.cl = cl
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	f.members[q.Name] = m
	go m.run(ctx)
	return nil
}

func (m *franzMember) run(ctx context.Context) {
	defer close(m.ended)
	for ctx.Err() == nil {
		fetches := m.cl.PollFetches(ctx)
		if ctx.Err() != nil {
			return
		}
		m.mu.Lock()
		if err := fetches.Err(); err != nil {
			m.errors = append(m.errors, "fetch: "+err.Error())
		}
		fetches.EachRecord(func(r *kgo.Record) { m.taken = append(m.taken, fromKgo(r)) })
		m.mu.Unlock()
		select {
		case m.news <- struct{}{}:
		default:
		}
		if err := m.cl.CommitUncommittedOffsets(ctx); err != nil && ctx.Err() == nil {
			m.mu.Lock()
			m.errors = append(m.errors, "commit: "+err.Error())
			m.mu.Unlock()
		}
	}
}

func (m *franzMember) take(wait time.Duration) reply {
	m.mu.Lock()
	nothing := len(m.taken) == 0
	m.mu.Unlock()
	if nothing && wait > 0 {
		select {
		case <-m.news:
		case <-time.After(wait):
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := reply{Records: m.taken, Errors: m.errors}
	m.taken, m.errors = nil, nil
	for p, on := range m.assigned {
		if on {
			r.Assigned = append(r.Assigned, p)
		}
	}
	slices.Sort(r.Assigned)
	return r
}

func (m *franzMember) stop() {
	m.cancel()
	<-m.ended
	m.cl.Close()
}
