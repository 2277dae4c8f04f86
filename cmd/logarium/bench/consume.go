package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// ConsumeCmd reads the topic from its start to the end that it had when the run began.
type ConsumeCmd struct {
	Target    `embed:""`
	Records   int64         `help:"Stop after this many records (0: at the end of the topic)." default:"0"`
	Duration  time.Duration `help:"Stop after this long (0: no limit)." default:"0s"`
	Consumers int           `help:"Consumer clients, which share the partitions." default:"1"`
}

// ConsumeResult is what `bench consume --json` prints.
type ConsumeResult struct {
	Mode             string   `json:"mode"`
	Bootstrap        []string `json:"bootstrap"`
	Topic            string   `json:"topic"`
	Partitions       int      `json:"partitions"`
	Consumers        int      `json:"consumers"`
	Records          int64    `json:"records"`
	Bytes            int64    `json:"value_bytes"`
	Seconds          float64  `json:"seconds"`
	RecordsPerSecond float64  `json:"records_per_second"`
	MBPerSecond      float64  `json:"mb_per_second"`
	FirstRecordMS    float64  `json:"first_record_ms"`
	Checksum         string   `json:"checksum"` // of all bench records read, whatever their order: equal content, equal checksum
	Audit            Audit    `json:"audit"`
}

// Audit is what the stamps in the values tell without a ledger: each run numbers its records by producer and
// partition from 0, without gaps unless a record failed.
type Audit struct {
	Gaps       int64 `json:"missing"`
	Disordered int64 `json:"repeated_or_out_of_order"`
	Corrupt    int64 `json:"corrupt"`
	Foreign    int64 `json:"not_by_bench"`
}

func (a *Audit) add(b Audit) {
	a.Gaps += b.Gaps
	a.Disordered += b.Disordered
	a.Corrupt += b.Corrupt
	a.Foreign += b.Foreign
}

// Run reads and reports. It fails when the audit found a fault.
func (c *ConsumeCmd) Run(ctx context.Context, stdout io.Writer) error {
	if err := c.Target.validate(); err != nil {
		return err
	}
	if c.Records < 0 || c.Duration < 0 || c.Consumers < 1 {
		return errors.New("--records and --duration cannot be negative, and --consumers is at least 1")
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	res, err := c.run(ctx)
	if err != nil {
		return err
	}
	rows := []row{
		{"read", fmt.Sprintf("%d records, %.1f MB from %s (%d partitions) in %.2f s", res.Records, float64(res.Bytes)/1e6, c.Topic, res.Partitions, res.Seconds)},
		{"throughput", fmt.Sprintf("%.0f records/s, %.1f MB/s", res.RecordsPerSecond, res.MBPerSecond)},
		{"first record", fmt.Sprintf("after %.1f ms", res.FirstRecordMS)},
		{"checksum", res.Checksum},
		{"audit", fmt.Sprintf("missing %d, repeated or out of order %d, corrupt %d, not by bench %d",
			res.Audit.Gaps, res.Audit.Disordered, res.Audit.Corrupt, res.Audit.Foreign)},
	}
	if err := report(stdout, c.JSON, res, rows); err != nil {
		return err
	}
	if a := res.Audit; a.Gaps+a.Disordered+a.Corrupt > 0 {
		return fmt.Errorf("the topic is not as it was written: missing %d, repeated or out of order %d, corrupt %d", a.Gaps, a.Disordered, a.Corrupt)
	}
	return nil
}

func (c *ConsumeCmd) run(ctx context.Context) (*ConsumeResult, error) {
	adm, err := c.client()
	if err != nil {
		return nil, err
	}
	defer adm.Close()
	from, err := c.starts(ctx, adm)
	if err != nil {
		return nil, err
	}
	to, err := c.ends(ctx, adm)
	if err != nil {
		return nil, err
	}
	res := &ConsumeResult{Mode: "consume", Bootstrap: c.Bootstrap, Topic: c.Topic, Partitions: len(to), Consumers: c.Consumers}
	var total, firstAt atomic.Int64
	begin := time.Now()
	auditors := make([]*auditor, c.Consumers)
	group, ctx := errgroup.WithContext(ctx)
	for i := range auditors {
		auditors[i] = &auditor{next: map[laneID]uint64{}}
		mine := map[int32]int64{}
		for p, end := range to {
			if int(p)%c.Consumers == i {
				mine[p] = end
			}
		}
		group.Go(func() error {
			return c.readRange(ctx, from, mine, func(r *kgo.Record) bool {
				n := total.Add(1)
				if n == 1 {
					firstAt.Store(int64(time.Since(begin)))
				}
				if c.Records > 0 && n > c.Records || c.Duration > 0 && time.Since(begin) > c.Duration {
					return false
				}
				auditors[i].record(r)
				return true
			})
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	took := time.Since(begin)
	var sum uint64
	for _, a := range auditors {
		res.Records, res.Bytes, sum = res.Records+a.records, res.Bytes+a.bytes, sum+a.sum
		res.Audit.add(a.Audit)
	}
	res.Checksum = fmt.Sprintf("%016x", sum)
	res.Seconds, res.RecordsPerSecond, res.MBPerSecond = took.Seconds(), perSecond(res.Records, took), perSecond(res.Bytes, took)/1e6
	res.FirstRecordMS = float64(firstAt.Load()) / 1e6
	return res, nil
}

// auditor reads stamps. One goroutine uses it.
type auditor struct {
	Audit
	records, bytes int64
	sum            uint64
	next           map[laneID]uint64
}

type laneID struct {
	run                 uint64
	producer, partition uint32
}

func (a *auditor) record(r *kgo.Record) {
	a.records++
	a.bytes += int64(len(r.Value))
	s, sum, mine, intact := parseStamp(r.Value)
	switch {
	case !mine:
		a.Foreign++
		return
	case !intact, int32(s.partition) != r.Partition:
		a.Corrupt++
		return
	}
	a.sum += mix(s, sum)
	id := laneID{s.run, s.producer, s.partition}
	next, known := a.next[id]
	switch {
	case known && s.sequence < next:
		a.Disordered++
		return
	case known && s.sequence > next:
		a.Gaps += int64(s.sequence - next)
	}
	a.next[id] = s.sequence + 1
}
