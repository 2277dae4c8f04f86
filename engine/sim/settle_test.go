package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/logarium/logarium/engine/sim/check"
	"github.com/logarium/logarium/engine/vfs"
)

// settle sees whether the cluster is whole again in bounded time after the
// last fault: it takes writes everywhere, all replicas are in sync, and groups
// have read what was acknowledged.
func (r *run) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, settling, fmt.Errorf("%v have passed", settling))
	defer cancel()
	c := newRaw(r.w, "settler")
	defer c.close()
	until := func(what string, done func() error) {
		if err := again(ctx, done); err != nil && r.ok() {
			r.w.Ledger.Break(check.Stuck, "%s: %v", what, err)
		}
	}
	for _, p := range r.parts() {
		n := 0
		until(fmt.Sprintf("%v takes no records", p), func() error {
			at, err := c.place(ctx, r.c.IDs(), p)
			if err != nil {
				return err
			}
			n++
			value := fmt.Sprintf("settled/%v/%d", p, n)
			sent := r.w.Ledger.Send(check.Write{Part: p, Producer: "settler", Value: value, All: true, Once: true})
			op := check.Op{Client: len(r.ops), Kind: check.OpAppend, Value: value, Call: r.w.Ledger.Call()}
			if op.Offset, err = c.append(ctx, at.leader, p, value); err == nil {
				sent.Acked(op.Offset)
			}
			op.Return, op.Unknown = r.w.Ledger.Call(), err != nil
			if p.Topic == r.register_.name {
				r.settled = append(r.settled, op)
			}
			return err
		})
	}
	until("replicas are not in sync", func() error { return r.inSync(ctx, c) })
	for _, g := range r.groups {
		until("group "+g.name+" lags", func() error {
			if missing := g.missing(); len(missing) > 0 {
				return fmt.Errorf("%d records were acknowledged and not read, such as %.40q", len(missing), missing[0])
			}
			return nil
		})
	}
	for _, p := range r.producers {
		until("producer "+p.name+" waits", func() error {
			if n := p.flying.Load(); n >= maxInFlight {
				return fmt.Errorf("%d records are under way", n)
			}
			return nil
		})
	}
}

// again calls done until it returns nil or ctx ends.
func again(ctx context.Context, done func() error) error {
	for {
		err := done()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// inSync asks all brokers for the ISR of all partitions.
func (r *run) inSync(ctx context.Context, c *rawClient) error {
	for _, id := range r.c.IDs() {
		all, err := c.metadata(ctx, id)
		if err != nil {
			return err
		}
		for p, at := range all {
			if at.leader < 0 || len(at.isr) < len(at.replicas) {
				return fmt.Errorf("broker %d says: %v has leader %d and ISR %v of %v", id, p, at.leader, at.isr, at.replicas)
			}
		}
	}
	return nil
}

// finish stops all clients, audits, restarts, audits again, and compares the
// replicas.
func (r *run) finish(ctx context.Context, stop func()) {
	for _, p := range r.producers {
		r.flush(ctx, p)
	}
	stop()
	for _, p := range r.producers {
		p.client.Close()
	}
	for _, g := range r.groups {
		g.end()
	}
	r.working.Wait()
	if r.c.Engine() == nil {
		return
	}
	if r.ok() {
		r.audit(ctx)
	}
	if r.ok() && r.p.linear != unchecked {
		if wrong := check.Linearizable(slices.Concat(append(r.ops, r.settled)...), r.registered, r.p.linear == stale); wrong != "" {
			r.w.Ledger.Break(check.NotLinear, "%s: %s", r.register_.name, wrong)
		}
	}
	healthy := r.ok()
	if err := r.c.Close(ctx); err != nil && healthy && !r.p.breaksDisks {
		r.w.Ledger.Break(check.Failed, "closing the cluster: %v", err)
	}
	if !r.ok() {
		return
	}
	r.compare()
	if !r.open(ctx) {
		return
	}
	r.audit(ctx)
	if err := r.c.Close(ctx); err != nil {
		r.w.Ledger.Break(check.Failed, "closing the cluster that was only read: %v", err)
	}
}

// flush waits for all that a producer has sent.
func (r *run) flush(ctx context.Context, p *producer) {
	if !r.ok() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settling)
	defer cancel()
	if err := p.client.Flush(ctx); err != nil && r.ok() {
		r.w.Ledger.Break(check.Stuck, "%d records of %s were never answered: %v", p.flying.Load(), p.name, err)
	}
}

// audit reads everything and holds it against the ledger.
func (r *run) audit(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, settling, fmt.Errorf("%v have passed", settling))
	defer cancel()
	c := newRaw(r.w, "auditor")
	defer c.close()
	call := r.w.Ledger.Call()
	for _, p := range r.parts() {
		if err := r.auditPart(ctx, c, p); err != nil {
			r.w.Ledger.Break(check.Stuck, "reading %v: %v", p, err)
			return
		}
	}
	for _, g := range r.groups {
		for i := range int32(3) {
			p := check.Part{Topic: g.topic, Index: i}
			if !slices.Contains(r.parts(), p) {
				continue
			}
			offset, err := c.committed(ctx, r.c.IDs(), g.name, p)
			if err != nil {
				r.w.Ledger.Break(check.Stuck, "the offset of group %s: %v", g.name, err)
				return
			}
			r.w.Ledger.Committed(call, g.name, p, offset)
		}
	}
	r.auditFacts(ctx, c)
}

// auditPart reads a partition from its start to its end.
func (r *run) auditPart(ctx context.Context, c *rawClient, p check.Part) error {
	call := r.w.Ledger.Call()
	var at place
	var start, end int64
	if err := again(ctx, func() (err error) {
		if at, err = c.place(ctx, r.c.IDs(), p); err != nil {
			return err
		}
		if start, err = c.listOffset(ctx, at, p, earliest); err != nil {
			return err
		}
		end, err = c.listOffset(ctx, at, p, latest)
		return err
	}); err != nil {
		return err
	}
	r.w.Ledger.Bounds(call, p, at.epoch, start, end, "the audit")
	var all []check.Record
	for next := start; next < end; {
		if err := again(ctx, func() error {
			read, err := c.fetch(ctx, at, p, next)
			if err == nil && len(read.Records) == 0 {
				err = fmt.Errorf("nothing comes from offset %d on, though the log ends at %d", next, end)
			}
			for _, rec := range read.Records {
				if rec.Offset < end {
					all = append(all, rec)
				}
				next = rec.Offset + 1
			}
			return err
		}); err != nil {
			return err
		}
	}
	r.w.Ledger.Audit(call, p, start, end, all)
	if p.Topic == r.register_.name {
		r.registered = all
	}
	return nil
}

// auditFacts holds what each broker tells of topics against what was acknowledged.
func (r *run) auditFacts(ctx context.Context, c *rawClient) {
	for _, id := range r.c.IDs() {
		call := r.w.Ledger.Call()
		var all map[check.Part]place
		if err := again(ctx, func() (err error) {
			all, err = c.metadata(ctx, id)
			return err
		}); err != nil {
			r.w.Ledger.Break(check.Stuck, "the metadata of broker %d: %v", id, err)
			return
		}
		count := map[string]int{}
		for p := range all {
			count[p.Topic]++
		}
		r.w.Ledger.Facts(call, fmt.Sprint("broker ", id), func(key string) string {
			if topic, name, ok := strings.Cut(key, ":"); ok {
				value, err := c.setting(ctx, []int32{id}, topic, name)
				if err != nil {
					return err.Error()
				}
				return value
			}
			if count[key] == 0 {
				return check.Absent
			}
			return fmt.Sprint(count[key])
		})
	}
}

// compare holds the replicas of all partitions against each other, on their
// disks, after a clean end.
func (r *run) compare() {
	for _, p := range r.parts() {
		var copies []check.Copy
		end := int64(0)
		for _, id := range r.c.IDs() {
			log, err := r.segments(id, p)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				r.w.Ledger.Break(check.Failed, "reading the files of %v on broker %d: %v", p, id, err)
				return
			}
			copies = append(copies, check.Copy{Broker: id, Log: log})
			end = max(end, check.End(log))
		}
		if wrong := check.Copies(copies, 0, end); wrong != "" {
			r.w.Ledger.Break(check.CopiesDiffer, "%v: %s", p, wrong)
		}
	}
}

// segments returns the bytes of a replica's segments.
func (r *run) segments(id int32, p check.Part) ([]byte, error) {
	disk := r.w.Disk(id)
	names, err := disk.List(p.String())
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, name := range names { // sorted: the names are base offsets
		if !strings.HasSuffix(name, ".log") {
			continue
		}
		raw, err := vfs.ReadFile(disk, path.Join(p.String(), name))
		if err != nil {
			return nil, err
		}
		out.Write(raw)
	}
	return out.Bytes(), nil
}
