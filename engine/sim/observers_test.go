package sim_test

import (
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/sim/check"
)

// watch looks at the gauges ten times a second, and at what each broker tells
// of leaders.
func (r *run) watch(ctx context.Context) {
	c := newRaw(r.w, "watcher")
	defer c.close()
	rng := r.w.Rand("watcher")
	for round := 0; ctx.Err() == nil; round++ {
		wait(ctx, rng, 100*time.Millisecond)
		if round%4 == 0 {
			r.askLeaders(ctx, c, int32(1+rng.IntN(r.c.Setup.Brokers)))
		}
		synctest.Wait() // so that the gauges of a replica fit each other
		r.gauges()
	}
}

// gauges takes those of all replicas.
func (r *run) gauges() {
	e := r.c.Engine()
	if e == nil {
		return
	}
	for _, g := range e.Events().Partitions() {
		if g.Offline.Load() || r.c.Down(g.Broker) {
			continue
		}
		p, source := check.Part{Topic: g.Topic, Index: g.Partition}, r.gaugesOf(g.Broker)
		if g.Leader.Load() {
			r.w.Ledger.Leader(source, p, g.LeaderEpoch.Load(), g.Broker)
		}
		r.w.Ledger.Gauge(source, p, g.HighWatermark.Load())
	}
}

// askLeaders takes what a broker tells of leaders.
func (r *run) askLeaders(ctx context.Context, c *rawClient, broker int32) {
	before := r.c.Run(broker)
	all, err := c.metadata(ctx, broker)
	if err != nil || r.c.Run(broker) != before {
		return
	}
	for p, at := range all {
		r.w.Ledger.Leader(before, p, at.epoch, at.leader)
	}
}

// gaugesOf names the gauges of a broker's present run.
func (r *run) gaugesOf(broker int32) string { return "the gauges of " + r.c.Run(broker) }

// told takes a state event.
func (r *run) told(e event.State) {
	p := check.Part{Topic: e.Topic, Index: e.Partition}
	switch e.Kind {
	case event.LeaderElected:
		r.w.Ledger.Leader(fmt.Sprintf("event %d of process %d", e.Seq, r.processes), p, e.Epoch, e.Broker)
	case event.LogTruncated:
		r.w.Ledger.Truncated(r.gaugesOf(e.Broker), p, e.B)
	}
}

// browse reads a topic here and there with a client that knows leaders and
// their epochs, old offsets and new ones.
func (r *run) browse(ctx context.Context, name string, t *topic) {
	c := newRaw(r.w, name)
	defer c.close()
	rng := r.w.Rand(name)
	ends := map[int32]int64{}
	for ctx.Err() == nil {
		wait(ctx, rng, 300*time.Millisecond)
		p := check.Part{Topic: t.name, Index: rng.Int32N(t.partitions)}
		at, err := c.place(ctx, []int32{int32(1 + rng.IntN(r.c.Setup.Brokers))}, p)
		if err != nil {
			continue
		}
		call := r.w.Ledger.Call()
		switch rng.IntN(4) {
		case 0:
			if end, err := c.listOffset(ctx, at, p, latest); err == nil {
				r.w.Ledger.Bounds(call, p, at.epoch, -1, end, name)
				ends[p.Index] = max(ends[p.Index], end)
			}
		case 1:
			if start, err := c.listOffset(ctx, at, p, earliest); err == nil {
				r.w.Ledger.Bounds(call, p, at.epoch, start, -1, name)
			}
		default:
			from := ends[p.Index]
			if from > 0 && rng.IntN(2) == 0 {
				from = rng.Int64N(from)
			}
			read, err := c.fetch(ctx, at, p, from)
			switch {
			case err == nil:
				r.w.Ledger.Read(call, read)
				ends[p.Index] = max(ends[p.Index], read.HighWatermark)
			case errors.Is(err, kerr.OffsetOutOfRange):
				r.w.Ledger.OutOfRange(call, p, from, at.epoch, name)
			}
		}
	}
}

// register does single operations on a partition, each noted with its call
// and its answer, until ctx ends or there are enough.
func (r *run) register(ctx context.Context, client, enough int, p check.Part) []check.Op {
	name := fmt.Sprintf("register-%d", client)
	c := newRaw(r.w, name)
	defer c.close()
	rng := r.w.Rand(name)
	var ops []check.Op
	length := int64(0)
	for n := int64(0); ctx.Err() == nil && len(ops) < enough; n++ {
		wait(ctx, rng, 500*time.Millisecond)
		at, err := c.place(ctx, []int32{int32(1 + rng.IntN(r.c.Setup.Brokers))}, p)
		if err != nil {
			continue
		}
		op := check.Op{Client: client}
		var sent *check.Sent
		switch rng.IntN(4) {
		case 0:
			op.Kind, op.Call = check.OpEnd, r.w.Ledger.Call()
			op.Offset, err = c.listOffset(ctx, at, p, latest)
			length = max(length, op.Offset)
		case 1:
			op.Kind, op.Offset, op.Call = check.OpRead, max(0, length-rng.Int64N(3)), r.w.Ledger.Call()
			var read check.Read
			if read, err = c.fetch(ctx, at, p, op.Offset); err == nil {
				r.w.Ledger.Read(op.Call, read)
			}
			for _, rec := range read.Records {
				op.Values = append(op.Values, rec.Value)
			}
		default:
			op.Kind, op.Value = check.OpAppend, fmt.Sprintf("%s.%d", name, n)
			op.Call = r.w.Ledger.Call()
			sent = r.w.Ledger.Send(check.Write{Part: p, Producer: name, Seq: n, Value: op.Value, All: true, Once: true})
			if op.Offset, err = c.append(ctx, at.leader, p, op.Value); err == nil {
				sent.Acked(op.Offset)
				length = max(length, op.Offset)
			} else {
				sent.Failed()
			}
		}
		op.Return, op.Unknown = r.w.Ledger.Call(), err != nil
		ops = append(ops, op)
	}
	return ops
}
