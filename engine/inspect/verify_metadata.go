package inspect

import (
	"bytes"
	"fmt"
)

// metadata checks the metadata log of each controller, and one against the other.
func (v *verifier) metadata() {
	if !v.o.Filter.everything() {
		return
	}
	found := false
	for _, b := range v.folder.brokers {
		if err := b.errs[controllerDir]; err != nil {
			found = true
			v.find(Finding{Severity: Problem, Check: CheckMetadata, Broker: b.id, File: b.dir + "/" + controllerDir, Detail: err.Error()})
		}
		if b.meta != nil {
			found = true
			v.controller(b)
		}
	}
	if !found && len(v.o.Filter.Brokers) == 0 {
		v.find(Finding{Severity: Problem, Check: CheckMetadata, Detail: "no broker has a metadata log"})
	}
	v.agreement()
}

// controller checks one controller's files.
func (v *verifier) controller(b *brokerFolder) {
	m := b.meta
	finding := func(s Severity, name, format string, args ...any) {
		v.find(Finding{Severity: s, Check: CheckMetadata, Broker: b.id, File: m.dir + "/" + name, Detail: fmt.Sprintf(format, args...)})
	}
	if m.decoded != nil {
		finding(Problem, m.LogFile, "%v", m.decoded)
	}
	if m.Torn > 0 {
		finding(v.harsh(b), m.LogFile, "%d bytes at byte %d are a write that did not end; the next start cuts them off", m.Torn, m.Good)
	}
	for _, name := range m.Leftovers {
		finding(Note, name, "left over from a crash; the next start removes it")
	}
	last := uint64(0)
	if m.Snapshot != nil {
		last = m.Snapshot.Index
	}
	for _, f := range m.Frames {
		if n := len(f.Entries); n > 0 {
			if first := f.Entries[0].Index; first > last+1 {
				finding(Problem, m.LogFile, "entry %d follows entry %d", first, last)
			}
			last = f.Entries[n-1].Index
		}
	}
	if m.Commit() > last {
		finding(Problem, m.LogFile, "it ends at entry %d, but entries up to %d are committed", last, m.Commit())
	}
}

// agreement checks that what two controllers know to be committed is the same.
func (v *verifier) agreement() {
	type known struct {
		entry  int // of entries
		broker *brokerFolder
	}
	var all []*brokerFolder
	for _, b := range v.folder.brokers {
		if b.meta != nil {
			all = append(all, b)
		}
	}
	first := map[uint64]known{}
	entries := map[*brokerFolder][]storedEntry{}
	for _, b := range all {
		entries[b] = b.meta.Entries()
		for i, e := range entries[b] {
			if e.Index > b.meta.Commit() {
				break
			}
			was, ok := first[e.Index]
			if !ok {
				first[e.Index] = known{i, b}
				continue
			}
			other := entries[was.broker][was.entry]
			if other.Term != e.Term || !bytes.Equal(other.Records, e.Records) {
				v.find(Finding{Severity: Problem, Check: CheckMetadata, Broker: b.id, File: b.meta.dir + "/" + b.meta.LogFile,
					Detail: fmt.Sprintf("committed entry %d is not the one that broker %d has", e.Index, was.broker.id)})
				break
			}
		}
	}
	for _, b := range all {
		for _, other := range all {
			x, y := b.meta.Snapshot, other.meta.Snapshot
			if b.id < other.id && x != nil && y != nil && x.Index == y.Index && (x.Term != y.Term || !bytes.Equal(x.Image, y.Image)) {
				v.find(Finding{Severity: Problem, Check: CheckMetadata, Broker: other.id, File: other.meta.dir + "/" + y.File,
					Detail: fmt.Sprintf("the snapshot of index %d is not the one that broker %d has", y.Index, b.id)})
			}
		}
	}
}
