package inspect

import (
	"fmt"
	"strings"
)

// Severity says what a finding means.
type Severity string

// The severities.
const (
	// Problem is something that must not be.
	Problem Severity = "problem"
	// Note is something that the next start puts right by itself, as what a
	// crash leaves, or that a reader may want to know.
	Note Severity = "note"
)

// Check names the rule that a finding is about; docs/log-tools.md explains each.
type Check string

// The checks.
const (
	CheckBatch     Check = "batch"     // a batch is whole, and its CRC right
	CheckRecords   Check = "records"   // records fit their batch's header
	CheckOffsets   Check = "offsets"   // offsets are dense, or rise where the log is compacted
	CheckIndex     Check = "index"     // an offset index is what a scan gives
	CheckTimeIndex Check = "timeindex" // a time index is what a scan gives
	CheckProducers Check = "producers" // a snapshot of producers is what a replay gives
	CheckTxns      Check = "txnindex"  // a transaction index is what a replay gives
	CheckEpochs    Check = "epochs"    // leader epochs rise and are those of the batches
	CheckBounds    Check = "bounds"    // log start, recovery point, high watermark lie in the log
	CheckTopic     Check = "topic"     // the log is of a topic, and at a place, that the metadata has
	CheckReplicas  Check = "replicas"  // replicas are equal up to the high watermark
	CheckMetadata  Check = "metadata"  // the metadata log is whole and the same on all controllers
	CheckJournal   Check = "journal"   // the journal is whole, and goes on where the logs end
	CheckBroker    Check = "broker"    // the files of a broker's folder
	CheckFile      Check = "file"      // a file is one that belongs there
)

// Finding is something that Verify found.
type Finding struct {
	Severity  Severity `json:"severity"`
	Check     Check    `json:"check"`
	Broker    int32    `json:"broker"`
	Topic     string   `json:"topic,omitempty"`
	Partition *int32   `json:"partition,omitempty"`
	File      string   `json:"file,omitempty"`
	Position  *int64   `json:"position,omitempty"` // byte in the file
	Offset    *int64   `json:"offset,omitempty"`
	Detail    string   `json:"detail"`
}

// Kind implements Item.
func (Finding) Kind() string { return "finding" }

// Text implements Item.
func (f Finding) Text() string {
	var b strings.Builder
	if f.Severity == Problem {
		b.WriteString("PROBLEM")
	} else {
		b.WriteString("note")
	}
	fmt.Fprintf(&b, " (%s)", f.Check)
	if f.File != "" {
		fmt.Fprintf(&b, " %s", safe(f.File))
	} else {
		fmt.Fprintf(&b, " broker %d", f.Broker)
		if f.Partition != nil {
			fmt.Fprintf(&b, ", %s-%d", safe(f.Topic), *f.Partition)
		}
	}
	if f.Position != nil {
		fmt.Fprintf(&b, " at byte %d", *f.Position)
	}
	if f.Offset != nil {
		fmt.Fprintf(&b, " at offset %d", *f.Offset)
	}
	b.WriteString(": ")
	b.WriteString(safe(f.Detail))
	return b.String()
}

// Report is what Verify looked at, and how much it found.
type Report struct {
	Brokers  int   `json:"brokers"`
	Logs     int   `json:"logs"`
	Segments int   `json:"segments"`
	Batches  int64 `json:"batches"`
	Records  int64 `json:"records"`
	Bytes    int64 `json:"bytes"` // of the segments
	Problems int   `json:"problems"`
	Notes    int   `json:"notes"`
}

// Kind implements Item.
func (Report) Kind() string { return "report" }

// Text implements Item.
func (r Report) Text() string {
	result := "no problem"
	if r.Problems > 0 {
		result = fmt.Sprintf("%d problems", r.Problems)
	}
	if r.Problems == 1 {
		result = "1 problem"
	}
	return fmt.Sprintf("brokers: %d logs: %d segments: %d batches: %d records: %d bytes: %d notes: %d: %s",
		r.Brokers, r.Logs, r.Segments, r.Batches, r.Records, r.Bytes, r.Notes, result)
}
