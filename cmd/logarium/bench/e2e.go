package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// E2ECmd writes at a steady rate and reads at once.
type E2ECmd struct {
	Target   `embed:""`
	Load     `embed:""`
	Rate     int           `help:"Records a second over all producers." default:"1000"`
	Duration time.Duration `help:"How long to measure." default:"10s"`
	Warmup   time.Duration `help:"How long to run before measuring." default:"2s"`
}

// E2EResult is what `bench e2e --json` prints. Both latencies start at the moment that a record was due.
type E2EResult struct {
	Mode        string   `json:"mode"`
	Bootstrap   []string `json:"bootstrap"`
	Topic       string   `json:"topic"`
	Partitions  int32    `json:"partitions"`
	Producers   int      `json:"producers"`
	Size        int      `json:"value_bytes"`
	Acks        string   `json:"acks"`
	Compression string   `json:"compression"`
	LingerMS    float64  `json:"linger_ms"`
	Rate        int      `json:"rate"`
	Seconds     float64  `json:"seconds"`
	Failed      int64    `json:"failed"`
	FirstError  string   `json:"first_error,omitempty"`
	ReceivedMS  Latency  `json:"received_ms"`
	AckMS       Latency  `json:"ack_ms"`
	SentLateMS  float64  `json:"sent_late_max_ms"` // what the bench itself, or a full send buffer, held back at most
	Verify      Verdict  `json:"verify"`
}

// Run writes, reads, checks and reports. It fails when a record failed or the check did.
func (c *E2ECmd) Run(ctx context.Context, stdout io.Writer) error {
	if err := errors.Join(c.Target.validate(), c.Load.validate()); err != nil {
		return err
	}
	if c.Rate < 1 || c.Duration <= 0 || c.Warmup < 0 {
		return errors.New("--rate and --duration must be more than 0, --warmup 0 or more")
	}
	if c.Acks == "0" {
		return errors.New("--acks 0: nothing is acknowledged, so nothing could be checked; use 1 or all")
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	res, err := c.run(ctx)
	if err != nil {
		return err
	}
	rows := []row{
		{"sent", fmt.Sprintf("%d records of %d bytes at %d records/s to %s (%d partitions) in %.1f s", res.Verify.Acked, c.Size, c.Rate, c.Topic, res.Partitions, res.Seconds)},
		res.ReceivedMS.row("received after"),
		res.AckMS.row("acknowledged after"),
		{"sent late by", fmt.Sprintf("%.2f ms at most", res.SentLateMS)},
	}
	if res.Failed > 0 {
		rows = append(rows, row{"failed", fmt.Sprintf("%d records: %s", res.Failed, res.FirstError)})
	}
	if err := report(stdout, c.JSON, res, append(rows, res.Verify.rows()...)); err != nil {
		return err
	}
	if res.Failed > 0 {
		return fmt.Errorf("%d records failed: %s", res.Failed, res.FirstError)
	}
	return res.Verify.err()
}

func (c *E2ECmd) run(ctx context.Context) (*E2EResult, error) {
	adm, err := c.client()
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	partitions, err := c.ensureTopic(ctx, adm)
	if err != nil {
		return nil, err
	}
	from, err := c.ends(ctx, adm)
	if err != nil {
		return nil, err
	}
	led := newLedger(newRun(), c.Producers, partitions)
	senders, err := openSenders(ctx, &c.Target, &c.Load, led, partitions)
	defer closeSenders(senders)
	if err != nil {
		return nil, err
	}
	tail, err := c.openTail(from, led)
	if err != nil {
		return nil, err
	}
	defer tail.cl.Close()
	begin := time.Now()
	tail.from = begin.Add(c.Warmup)
	for _, s := range senders {
		s.from = tail.from
	}
	if err := c.sendAndRead(ctx, adm, senders, tail, begin); err != nil {
		return nil, err
	}
	res := &E2EResult{
		Mode: "e2e", Bootstrap: c.Bootstrap, Topic: c.Topic, Partitions: partitions, Producers: c.Producers, Size: c.Size, Acks: c.Acks,
		Compression: c.Compression, LingerMS: float64(c.Linger.Microseconds()) / 1000, Rate: c.Rate, Seconds: time.Since(begin).Seconds(),
		ReceivedMS: summary(tail.latency), Verify: tail.v.finish(),
	}
	acks, failed, firstErr, late := total(senders)
	res.AckMS, res.Failed, res.FirstError, res.SentLateMS = summary(acks), failed, firstErr, float64(late.Microseconds())/1000
	return res, nil
}

// sendAndRead runs the senders and the reader at once, until the reader has all that was written.
func (c *E2ECmd) sendAndRead(ctx context.Context, adm *kgo.Client, senders []*sender, t *tail, begin time.Time) error {
	group, ctx := errgroup.WithContext(ctx)
	sending, sent := context.WithCancel(ctx)
	to := map[int32]int64{} // written before sent(), read after
	group.Go(func() error {
		defer sent()
		if err := runSenders(ctx, senders, 0, c.Rate, begin, c.Warmup+c.Duration); err != nil {
			return err
		}
		ends, err := c.ends(ctx, adm)
		to = ends
		return err
	})
	group.Go(func() error {
		for sending.Err() == nil {
			if err := t.poll(sending); err != nil {
				return err
			}
		}
		for ctx.Err() == nil && !t.reached(to) {
			if err := t.poll(ctx); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	return group.Wait()
}

// tail reads the topic from its end on.
type tail struct {
	cl       *kgo.Client
	v        *verifier
	position map[int32]int64
	from     time.Time // records due before are not measured
	latency  *hdrhistogram.Histogram
}

func (c *E2ECmd) openTail(from map[int32]int64, led *ledger) (*tail, error) {
	at := map[int32]kgo.Offset{}
	for p, o := range from {
		at[p] = kgo.NewOffset().At(o)
	}
	cl, err := c.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Topic: at}), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &tail{cl: cl, v: newVerifier(led), position: from, latency: newHistogram()}, nil
}

// poll waits for records and takes them; the end of the context is no error.
func (t *tail) poll(ctx context.Context) error {
	fetches := t.cl.PollFetches(ctx)
	now := time.Now()
	if ctx.Err() == nil {
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
	fetches.EachRecord(func(r *kgo.Record) {
		t.position[r.Partition] = r.Offset + 1
		s, mine := t.v.record(r)
		if due := time.Unix(0, s.due); mine && !due.Before(t.from) {
			observe(t.latency, now.Sub(due))
		}
	})
	return nil
}

func (t *tail) reached(to map[int32]int64) bool {
	for p, end := range to {
		if t.position[p] < end {
			return false
		}
	}
	return true
}
