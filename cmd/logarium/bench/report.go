package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is a distribution in milliseconds.
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99.9"`
	Max   float64 `json:"max"`
}

// newHistogram holds 1 µs to 10 minutes with three significant digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(10*time.Minute/time.Microsecond), 3)
}

// observe records a duration, cut to what the histogram holds: more than ten minutes counts as ten minutes.
func observe(h *hdrhistogram.Histogram, d time.Duration) {
	us := min(max(d.Microseconds(), h.LowestTrackableValue()), h.HighestTrackableValue())
	if err := h.RecordValue(us); err != nil {
		panic(fmt.Sprintf("bench: %d µs is inside the histogram's bounds and was refused: %v", us, err))
	}
}

func summary(h *hdrhistogram.Histogram) Latency {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	return Latency{
		Count: h.TotalCount(),
		P50:   ms(h.ValueAtQuantile(50)),
		P90:   ms(h.ValueAtQuantile(90)),
		P99:   ms(h.ValueAtQuantile(99)),
		P999:  ms(h.ValueAtQuantile(99.9)),
		Max:   ms(h.Max()),
	}
}

// row is one line of the table that a person reads.
type row struct{ name, value string }

func (l Latency) row(name string) row {
	return row{name, fmt.Sprintf("p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f ms  (%d records)", l.P50, l.P90, l.P99, l.P999, l.Max, l.Count)}
}

func (v Verdict) rows() []row {
	word := "equal: count, checksum and order"
	if !v.OK {
		word = "NOT EQUAL"
	}
	rows := []row{{"checked", fmt.Sprintf("%s (%d acknowledged, %d read)", word, v.Acked, v.Consumed)}}
	if !v.OK {
		rows = append(rows, row{"faults", fmt.Sprintf("lost %d, duplicates %d, out of order %d, corrupt %d, checksum equal %t",
			v.Lost, v.Duplicates, v.Disordered, v.Corrupt, v.Checksum)})
	}
	if v.Unacked > 0 {
		rows = append(rows, row{"", fmt.Sprintf("%d records are there that were never acknowledged", v.Unacked)})
	}
	return rows
}

// err is nil for a run that was read back as it was written.
func (v Verdict) err() error {
	if v.OK {
		return nil
	}
	return fmt.Errorf("what was read is not what was written: lost %d, duplicates %d, out of order %d, corrupt %d, checksum equal %t",
		v.Lost, v.Duplicates, v.Disordered, v.Corrupt, v.Checksum)
}

// report writes a result as JSON or as a table.
func report(out io.Writer, asJSON bool, result any, rows []row) error {
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(result)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if _, err := fmt.Fprintf(w, "%s\t%s\n", r.name, r.value); err != nil {
			return err
		}
	}
	return w.Flush()
}

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}
