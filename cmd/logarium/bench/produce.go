package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ProduceCmd writes records, as fast as they are taken or at a rate.
type ProduceCmd struct {
	Target   `embed:""`
	Load     `embed:""`
	Records  int64         `help:"Records over all producers (0: until --duration is over)." default:"1000000"`
	Rate     int           `help:"Records a second over all producers (0: as fast as possible)." default:"0"`
	Duration time.Duration `help:"Stop after this long even if records are left (0: no limit)." default:"0s"`
	Verify   bool          `help:"Read everything back and check it; acks=0 is never checked." default:"true" negatable:""`
}

// ProduceResult is what `bench produce --json` prints.
type ProduceResult struct {
	Mode             string   `json:"mode"`
	Bootstrap        []string `json:"bootstrap"`
	Topic            string   `json:"topic"`
	Partitions       int32    `json:"partitions"`
	Producers        int      `json:"producers"`
	Size             int      `json:"value_bytes"`
	Acks             string   `json:"acks"`
	Compression      string   `json:"compression"`
	LingerMS         float64  `json:"linger_ms"`
	Rate             int      `json:"rate"`
	Acked            int64    `json:"acked"`
	Failed           int64    `json:"failed"`
	FirstError       string   `json:"first_error,omitempty"`
	Seconds          float64  `json:"seconds"`
	RecordsPerSecond float64  `json:"records_per_second"`
	MBPerSecond      float64  `json:"mb_per_second"`
	AckMS            Latency  `json:"ack_ms"`
	Verify           *Verdict `json:"verify,omitempty"`
}

func (c *ProduceCmd) validate() error {
	if c.Records < 0 || c.Rate < 0 || c.Duration < 0 {
		return errors.New("--records, --rate and --duration cannot be negative")
	}
	if c.Records == 0 && c.Duration == 0 {
		return errors.New("--records 0 needs a --duration")
	}
	return errors.Join(c.Target.validate(), c.Load.validate())
}

// Run writes, checks and reports. It fails when a record failed or the check did.
func (c *ProduceCmd) Run(ctx context.Context, stdout io.Writer) error {
	if err := c.validate(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	res, err := c.run(ctx)
	if err != nil {
		return err
	}
	rows := []row{
		{"wrote", fmt.Sprintf("%d records of %d bytes to %s (%d partitions) in %.2f s", res.Acked, c.Size, c.Topic, res.Partitions, res.Seconds)},
		{"throughput", fmt.Sprintf("%.0f records/s, %.1f MB/s", res.RecordsPerSecond, res.MBPerSecond)},
		res.AckMS.row("acknowledged after"),
	}
	if res.Failed > 0 {
		rows = append(rows, row{"failed", fmt.Sprintf("%d records: %s", res.Failed, res.FirstError)})
	}
	if res.Verify != nil {
		rows = append(rows, res.Verify.rows()...)
	}
	if err := report(stdout, c.JSON, res, rows); err != nil {
		return err
	}
	if res.Failed > 0 {
		return fmt.Errorf("%d records failed: %s", res.Failed, res.FirstError)
	}
	if res.Verify != nil {
		return res.Verify.err()
	}
	return nil
}

func (c *ProduceCmd) run(ctx context.Context) (*ProduceResult, error) {
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
	senders, took, err := c.send(ctx, led, partitions)
	if err != nil {
		return nil, err
	}
	res := &ProduceResult{
		Mode: "produce", Bootstrap: c.Bootstrap, Topic: c.Topic, Partitions: partitions, Producers: c.Producers, Size: c.Size,
		Acks: c.Acks, Compression: c.Compression, LingerMS: float64(c.Linger.Microseconds()) / 1000, Rate: c.Rate, Seconds: took.Seconds(),
	}
	acks, failed, firstErr, _ := total(senders)
	res.AckMS, res.Failed, res.FirstError, res.Acked = summary(acks), failed, firstErr, led.total()
	res.RecordsPerSecond = perSecond(res.Acked, took)
	res.MBPerSecond = res.RecordsPerSecond * float64(c.Size) / 1e6
	if c.Verify && c.Acks != "0" {
		verdict, err := c.readBack(ctx, adm, led, from)
		if err != nil {
			return nil, err
		}
		res.Verify = &verdict
	}
	return res, nil
}

// send runs all producers to their end and returns them with the time from the first record to the last answer.
func (c *ProduceCmd) send(ctx context.Context, led *ledger, partitions int32) ([]*sender, time.Duration, error) {
	senders, err := openSenders(ctx, &c.Target, &c.Load, led, partitions)
	defer closeSenders(senders)
	if err != nil {
		return nil, 0, err
	}
	begin := time.Now()
	err = runSenders(ctx, senders, c.Records, c.Rate, begin, c.Duration)
	return senders, time.Since(begin), err
}

// readBack reads what was written since from and compares it with the ledger.
func (c *ProduceCmd) readBack(ctx context.Context, adm *kgo.Client, led *ledger, from map[int32]int64) (Verdict, error) {
	to, err := c.ends(ctx, adm)
	if err != nil {
		return Verdict{}, err
	}
	v := newVerifier(led)
	if err := c.readRange(ctx, from, to, func(r *kgo.Record) bool { v.record(r); return true }); err != nil {
		return Verdict{}, err
	}
	return v.finish(), nil
}
