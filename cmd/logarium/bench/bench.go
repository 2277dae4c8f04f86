package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Cmd is `logarium bench` for kong: each sub-command has Run(ctx, stdout), so the caller binds a context
// (kong.BindTo(ctx, (*context.Context)(nil))) and a writer (kong.BindTo(os.Stdout, (*io.Writer)(nil))).
type Cmd struct {
	Produce ProduceCmd `cmd:"" help:"Write records as fast as the cluster takes them (or at --rate), then read them back and check them."`
	Consume ConsumeCmd `cmd:"" help:"Read what a produce run left in the topic, from its start."`
	E2E     E2ECmd     `cmd:"" name:"e2e" help:"Write at a steady rate and read at once: the latency from due time to receipt."`
	Start   StartCmd   `cmd:"" help:"Start a server, and time its first acknowledged record and its first console page."`
}

// Target is what all runs need to know of the cluster under test.
type Target struct {
	Bootstrap  []string      `help:"Broker addresses to start from." default:"127.0.0.1:9092" placeholder:"HOST:PORT"`
	Topic      string        `help:"Topic; created when it is missing." default:"bench"`
	Partitions int32         `help:"Partitions of a created topic." default:"6"`
	Timeout    time.Duration `help:"Give up after this long." default:"5m"`
	JSON       bool          `name:"json" help:"Print one JSON object instead of a table."`
}

// Load is what the writing runs send.
type Load struct {
	Size        int           `help:"Value size in bytes, 40 to 1000000." default:"100"`
	Producers   int           `help:"Producer clients." default:"1"`
	Linger      time.Duration `help:"How long a producer waits to fill a batch." default:"0s"`
	Acks        string        `help:"Acknowledgements: all (idempotent), 1 or 0." default:"all" enum:"all,1,0"`
	Compression string        `help:"none, gzip, snappy, lz4 or zstd." default:"none" enum:"none,gzip,snappy,lz4,zstd"`
}

// clientID is how the bench names itself to the cluster, in its logs and pictures.
const clientID = "logarium-bench"

// maxValue keeps a record well under the 1,048,588 bytes that a broker takes by default.
const maxValue = 1_000_000

func (t *Target) validate() error {
	switch {
	case len(t.Bootstrap) == 0:
		return errors.New("--bootstrap needs an address")
	case t.Partitions < 1:
		return fmt.Errorf("--partitions %d: need at least 1", t.Partitions)
	case t.Timeout <= 0:
		return fmt.Errorf("--timeout %v: need more than 0", t.Timeout)
	}
	return nil
}

func (l *Load) validate() error {
	switch {
	case l.Size < stampSize || l.Size > maxValue:
		return fmt.Errorf("--size %d: need %d to %d", l.Size, stampSize, maxValue)
	case l.Producers < 1 || l.Producers > 1000:
		return fmt.Errorf("--producers %d: need 1 to 1000", l.Producers)
	case l.Linger < 0:
		return fmt.Errorf("--linger %v: need 0 or more", l.Linger)
	}
	return nil
}

func (t *Target) client(opts ...kgo.Opt) (*kgo.Client, error) {
	all := append([]kgo.Opt{kgo.SeedBrokers(t.Bootstrap...), kgo.ClientID(clientID)}, opts...)
	return kgo.NewClient(all...)
}

// producer returns a client that writes to the target's topic, to the partition named in each record.
func (t *Target) producer(l *Load) (*kgo.Client, error) {
	opts := []kgo.Opt{
		kgo.DefaultProduceTopic(t.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(l.Linger),
		kgo.MaxBufferedRecords(50_000),
	}
	switch l.Acks {
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite())
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	default:
		opts = append(opts, kgo.RequiredAcks(kgo.AllISRAcks()))
	}
	codec := kgo.NoCompression()
	switch l.Compression {
	case "gzip":
		codec = kgo.GzipCompression()
	case "snappy":
		codec = kgo.SnappyCompression()
	case "lz4":
		codec = kgo.Lz4Compression()
	case "zstd":
		codec = kgo.ZstdCompression()
	}
	return t.client(append(opts, kgo.ProducerBatchCompression(codec))...)
}

// ensureTopic creates the topic when it is missing and returns its number of partitions, which for a topic that was
// there already need not be the wished one. It returns when each partition has a leader.
func (t *Target) ensureTopic(ctx context.Context, cl *kgo.Client) (int32, error) {
	adm := kadm.NewClient(cl)
	_, err := adm.CreateTopic(ctx, t.Partitions, -1, nil, t.Topic)
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return 0, fmt.Errorf("create topic %q: %w", t.Topic, err)
	}
	for {
		details, err := adm.ListTopics(ctx, t.Topic)
		if err != nil {
			return 0, fmt.Errorf("describe topic %q: %w", t.Topic, err)
		}
		if n, ok := led(details[t.Topic]); ok {
			return n, nil
		}
		if err := wait(ctx, 10*time.Millisecond); err != nil {
			return 0, fmt.Errorf("topic %q: no leader for some partitions: %w", t.Topic, err)
		}
	}
}

// led reports the number of partitions, and whether all of them have a leader.
func led(d kadm.TopicDetail) (int32, bool) {
	for _, p := range d.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return 0, false
		}
	}
	return int32(len(d.Partitions)), d.Err == nil && len(d.Partitions) > 0
}

// ends returns the end offset of each partition.
func (t *Target) ends(ctx context.Context, cl *kgo.Client) (map[int32]int64, error) {
	return t.offsets(ctx, kadm.NewClient(cl).ListEndOffsets)
}

// starts returns the first offset that is there in each partition.
func (t *Target) starts(ctx context.Context, cl *kgo.Client) (map[int32]int64, error) {
	return t.offsets(ctx, kadm.NewClient(cl).ListStartOffsets)
}

// offsets asks until it is answered: on Apache Kafka a new topic's leaders are named before they serve.
func (t *Target) offsets(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[int32]int64, error) {
	for {
		listed, err := list(ctx, t.Topic)
		if err == nil {
			err = listed.Error()
		}
		if err == nil {
			at := make(map[int32]int64, len(listed[t.Topic]))
			for p, o := range listed[t.Topic] {
				at[p] = o.Offset
			}
			return at, nil
		}
		if !kerr.IsRetriable(err) || wait(ctx, 20*time.Millisecond) != nil {
			return nil, fmt.Errorf("list offsets of %q: %w", t.Topic, err)
		}
	}
}

// wait sleeps, or returns early with the context's error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
