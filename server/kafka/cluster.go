package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// deadline bounds every question to the cluster: a page that waits longer says
// what did not answer.
const deadline = 5 * time.Second

// changeDeadline bounds every change.
const changeDeadline = 15 * time.Second

// DefaultClientID is the client id of the console. The picture leaves it out.
const DefaultClientID = "logarium-console"

// Config says how to reach a cluster.
type Config struct {
	Seeds    []string // host:port of brokers to ask first
	ClientID string   // DefaultClientID if empty
	Dial     func(ctx context.Context, network, host string) (net.Conn, error)
	Logger   *slog.Logger
}

// Cluster is a connection to a Kafka cluster. Its methods may be called from
// any goroutine.
type Cluster struct {
	client *kgo.Client
	admin  *kadm.Client
	opts   []kgo.Opt // of every connection
	seeds  []string
	log    *slog.Logger

	met  met
	caps cached[Capabilities]

	lastCaps atomic.Pointer[Capabilities] // the newest that were told
	groups   cached[map[string]*Group]
	sizes    cached[sizeIndex]
}

// Open prepares a connection; it does not wait for the cluster to answer.
func Open(cfg Config) (*Cluster, error) {
	if len(cfg.Seeds) == 0 {
		return nil, errors.New("a cluster needs at least one bootstrap address")
	}
	if cfg.ClientID == "" {
		cfg.ClientID = DefaultClientID
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(cfg.Seeds...),
		kgo.ClientID(cfg.ClientID),
		kgo.SoftwareNameAndVersion("logarium-console", "1"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(100 * time.Millisecond),
		kgo.RequestRetries(3),
		kgo.RetryTimeout(deadline),
		kgo.RecordDeliveryTimeout(changeDeadline),
		kgo.ProducerBatchMaxBytes(16 << 20), // the broker's limit decides, in its own words
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerLinger(0),
	}
	if cfg.Dial != nil {
		opts = append(opts, kgo.Dialer(cfg.Dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("open the connection to %v: %w", cfg.Seeds, err)
	}
	admin := kadm.NewClient(client)
	admin.SetTimeoutMillis(int32(changeDeadline.Milliseconds()))
	return &Cluster{client: client, admin: admin, opts: slices.Clip(opts), seeds: cfg.Seeds, log: cfg.Logger}, nil
}

// Close ends the connection. Calls that are under way fail.
func (c *Cluster) Close() { c.client.Close() }

// Seeds returns the addresses that the connection was opened with.
func (c *Cluster) Seeds() []string { return c.seeds }

// Ping returns nil if a broker answers.
func (c *Cluster) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	return explain(c.client.Ping(ctx))
}

// cached keeps the newest answer to a question that many pages ask, for a short
// while, and lets only one asker at a time ask it anew.
type cached[T any] struct {
	mu    sync.Mutex
	busy  chan struct{} // closed when the question under way is answered
	at    time.Time
	value T
	err   error
}

// get returns an answer no older than maxAge; ask gets a context of its own, so
// that the first asker's leaving does not spoil the answer for the others.
func (c *cached[T]) get(ctx context.Context, maxAge time.Duration, ask func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	if !c.at.IsZero() && time.Since(c.at) < maxAge {
		defer c.mu.Unlock()
		return c.value, nil
	}
	if c.busy == nil {
		c.busy = make(chan struct{})
		go c.fill(context.WithoutCancel(ctx), ask)
	}
	busy := c.busy
	c.mu.Unlock()
	select {
	case <-busy:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.value, c.err
	case <-ctx.Done():
		var none T
		return none, explain(ctx.Err())
	}
}

func (c *cached[T]) fill(ctx context.Context, ask func(context.Context) (T, error)) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	value, err := within(ctx, ask)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.err, c.at = value, err, time.Now()
	if err != nil {
		c.at = time.Time{} // a failure is told to those who wait for it, and asked anew after that
	}
	close(c.busy)
	c.busy = nil
}

// forget makes the next get ask again.
func (c *cached[T]) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = time.Time{}
}
