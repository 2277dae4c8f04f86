package playground

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// The names of what the heart-rate demo makes.
const (
	beatsTopic   = "heart-rate"
	alertsTopic  = "heart-rate-alerts"
	monitorGroup = "heart-rate-monitor"
)

// AdminClientID is the client id by which the demo makes and removes topics.
const AdminClientID = "heart-rate-demo"

const (
	beatsPartitions = 6
	gateways        = 2 // producers
	monitors        = 2 // members of the consumer group
	alertBPM        = 100
	// startTimeout bounds the making of the demo's topics.
	startTimeout = 15 * time.Second
	// stopTimeout bounds the removal of what the demo made.
	stopTimeout = 15 * time.Second
)

// wearers are the keys of the records. Java's partitioner spreads just these
// over all partitions, two on each.
var wearers = [...]string{"ana", "ben", "chi", "eli", "fay", "gus", "ida", "lea", "max", "oto", "rosa", "yara"}

// Config says which cluster the demo runs on.
type Config struct {
	Seeds []string
	// Dial opens connections to brokers; nil: the network.
	Dial func(ctx context.Context, network, host string) (net.Conn, error)
	// StateFile remembers which topics the demo made, so that a restart goes on
	// with it and only those are ever removed. Empty: it is not remembered.
	StateFile string
	Logger    *slog.Logger
}

// HeartRate is the demo of the first start: wearers of a pulse meter send each
// heart beat through two gateways (producers) to the topic heart-rate, keyed by
// wearer; a consumer group of two monitors reads them and writes what is above
// 100 beats a minute to heart-rate-alerts.
type HeartRate struct {
	cfg Config

	mu      sync.Mutex // guards the fields below; not held while a client waits
	made    made
	cancel  context.CancelFunc // nil: not running
	stopped chan struct{}      // closed when the clients of the last run are closed
	busy    chan struct{}      // closed when the Start or Stop under way ends; nil: none is
	coming  context.CancelFunc // breaks the Start under way off; nil: none is
	closed  bool
}

// ErrBusy is returned by Start and Stop while another of them is under way.
var ErrBusy = errors.New("the demo is being started or stopped already; try again in a moment")

// ErrClosed is returned by Start and Stop after Close.
var ErrClosed = errors.New("the demo is closed")

// NewHeartRate returns the demo, not running.
func NewHeartRate(cfg Config) (*HeartRate, error) {
	h := &HeartRate{cfg: cfg}
	var err error
	if h.made, err = readMade(cfg.StateFile); err != nil {
		return nil, err
	}
	return h, nil
}

// Running says whether the demo's clients run, or are being started.
func (h *HeartRate) Running() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cancel != nil || h.coming != nil
}

// Offered says whether the console may offer to start the demo.
func (h *HeartRate) Offered() bool { return true }

// About says what the demo is, and where its data comes from.
func (h *HeartRate) About() string {
	return fmt.Sprintf("%d people's heart beats flow through two producers to %s; a group of two raises alerts above %d beats a minute. %s",
		len(wearers), beatsTopic, alertBPM, Attribution)
}

// Unfinished says whether an earlier process ran the demo and did not stop it.
func (h *HeartRate) Unfinished() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.made.Topics) > 0
}

// begin marks a Start, which cancel breaks off, or a Stop, without one, as under
// way and returns how to end it.
func (h *HeartRate) begin(cancel context.CancelFunc) (end func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return nil, ErrClosed
	case h.busy != nil:
		return nil, ErrBusy
	}
	busy := make(chan struct{})
	h.busy, h.coming = busy, cancel
	return func() {
		h.mu.Lock()
		h.busy, h.coming = nil, nil
		h.mu.Unlock()
		close(busy)
	}, nil
}

// Start makes the demo's topics, where they are not there from an earlier run
// of the demo, and starts its clients. A topic of the same name that the demo
// did not make is left alone, and is an error.
func (h *HeartRate) Start(ctx context.Context) error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	end, err := h.begin(giveUp)
	if err != nil {
		return err
	}
	defer end()
	h.mu.Lock()
	running := h.cancel != nil
	h.mu.Unlock()
	if running {
		return nil
	}
	beats, err := recording()
	if err != nil {
		return err
	}
	if err := h.createTopics(ctx); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	clients, err := h.startClients(run, beats)
	if err != nil {
		cancel()
		return err
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := clients.Wait(); err != nil && run.Err() == nil {
			h.cfg.Logger.Error("the heart-rate demo ended", "error", err)
		}
	}()
	h.mu.Lock()
	h.cancel, h.stopped = cancel, stopped
	h.mu.Unlock()
	return nil
}

// Close stops the clients for good, breaks off a Start or waits for a Stop that
// is under way, and leaves what they made.
func (h *HeartRate) Close() {
	h.mu.Lock()
	h.closed = true
	busy := h.busy
	if h.coming != nil {
		h.coming()
	}
	h.mu.Unlock()
	if busy != nil {
		<-busy
	}
	h.halt()
}

// halt stops the clients.
func (h *HeartRate) halt() {
	h.mu.Lock()
	cancel, stopped := h.cancel, h.stopped
	h.cancel = nil
	h.mu.Unlock()
	if cancel != nil {
		cancel()
		<-stopped
	}
}

// Stop stops the clients and removes the topics and the group that they made.
func (h *HeartRate) Stop(ctx context.Context) error {
	end, err := h.begin(nil)
	if err != nil {
		return err
	}
	defer end()
	h.halt()
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	client, err := h.client(AdminClientID)
	if err != nil {
		return err
	}
	defer client.Close()
	return h.removeMade(ctx, kadm.NewClient(client))
}

// removeMade deletes the topics whose ids are those that the demo made, then
// the group, then the memory of both.
func (h *HeartRate) removeMade(ctx context.Context, admin *kadm.Client) error {
	h.mu.Lock()
	was := h.made
	h.mu.Unlock()
	there, err := admin.ListTopics(ctx, beatsTopic, alertsTopic)
	if err != nil {
		return fmt.Errorf("asking for the demo's topics: %w", err)
	}
	for name, id := range was.Topics {
		if topic, ok := there[name]; !ok || topic.Err != nil || topic.ID.String() != id {
			continue
		}
		resp, err := admin.DeleteTopic(ctx, name)
		if err = errors.Join(err, resp.Err); err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("deleting the demo's topic %s: %w", name, err)
		}
	}
	if len(was.Topics) > 0 {
		resp, err := admin.DeleteGroup(ctx, monitorGroup)
		if err = errors.Join(err, resp.Err); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return fmt.Errorf("deleting the demo's group %s: %w", monitorGroup, err)
		}
	}
	return h.remember(made{})
}

// createTopics makes the topics of the demo and remembers their ids. Between
// the two it is not broken off: a topic that nobody remembers would be in the
// way of the demo for ever.
func (h *HeartRate) createTopics(ctx context.Context) error {
	givenUp := ctx.Err
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	client, err := h.client(AdminClientID)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	h.mu.Lock()
	next := h.made.clone()
	h.mu.Unlock()
	for _, topic := range []struct {
		name       string
		partitions int32
	}{{beatsTopic, beatsPartitions}, {alertsTopic, 1}} {
		if err := givenUp(); err != nil {
			return err
		}
		retention := "86400000" // a day is enough for a demo
		resp, err := admin.CreateTopic(ctx, topic.partitions, -1, map[string]*string{"retention.ms": &retention}, topic.name)
		switch err = errors.Join(err, resp.Err); {
		case err == nil:
			next.Topics[topic.name] = resp.ID.String()
		case errors.Is(err, kerr.TopicAlreadyExists):
			there, err := admin.ListTopics(ctx, topic.name)
			if err != nil {
				return fmt.Errorf("asking for the topic %s: %w", topic.name, err)
			}
			if there[topic.name].ID.String() != next.Topics[topic.name] {
				return fmt.Errorf("the demo needs the name %s for a topic of its own, and a topic of that name exists: delete it, or do without the demo", topic.name)
			}
		default:
			return fmt.Errorf("creating the demo's topic %s: %w", topic.name, err)
		}
		if err := h.remember(next); err != nil {
			return err
		}
	}
	return nil
}

func (h *HeartRate) remember(m made) error {
	if err := writeMade(h.cfg.StateFile, m); err != nil {
		return err
	}
	h.mu.Lock()
	h.made = m
	h.mu.Unlock()
	return nil
}

// startClients starts the gateways and the monitors.
func (h *HeartRate) startClients(ctx context.Context, beats []time.Duration) (*errgroup.Group, error) {
	var opened []*kgo.Client
	open := func(id string, opts ...kgo.Opt) (*kgo.Client, error) {
		client, err := h.client(id, opts...)
		if err != nil {
			for _, c := range opened {
				c.Close()
			}
			return nil, err
		}
		opened = append(opened, client)
		return client, nil
	}
	group, ctx := errgroup.WithContext(ctx)
	var runs []func() error
	for i := range gateways {
		client, err := open(fmt.Sprintf("heart-rate-gateway-%d", i+1), kgo.ProducerLinger(0))
		if err != nil {
			return nil, err
		}
		runs = append(runs, func() error { return gateway(ctx, client, i, beats, h.cfg.Logger) })
	}
	for i := range monitors {
		client, err := open(fmt.Sprintf("heart-rate-monitor-%d", i+1),
			kgo.ConsumerGroup(monitorGroup), kgo.ConsumeTopics(beatsTopic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.AutoCommitInterval(time.Second))
		if err != nil {
			return nil, err
		}
		runs = append(runs, func() error { return monitor(ctx, client, h.cfg.Logger) })
	}
	for _, run := range runs {
		group.Go(run)
	}
	return group, nil
}

// client opens an ordinary Kafka client.
func (h *HeartRate) client(id string, opts ...kgo.Opt) (*kgo.Client, error) {
	opts = append([]kgo.Opt{kgo.SeedBrokers(h.cfg.Seeds...), kgo.ClientID(id)}, opts...)
	if h.cfg.Dial != nil {
		opts = append(opts, kgo.Dialer(h.cfg.Dial))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("opening the demo's client %s: %w", id, err)
	}
	return client, nil
}
