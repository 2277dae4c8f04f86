package server

import (
	"math"
	"strconv"
	"strings"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/server/live"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// line is one line of a graph: value returns false where there is none.
type line struct {
	name, class string
	value       func(*live.Row) (float64, bool)
}

// chartsOf draws the graphs as they are now, for the page without script and
// for the first paint. The script draws the same from the same rows.
func chartsOf(h live.History) []page.Chart {
	rate := func(n func(*live.Row) int64) func(*live.Row) (float64, bool) {
		return func(r *live.Row) (float64, bool) { return perSecond(n(r), r.Span), !r.Gap() }
	}
	micros := func(n func(live.Latency) int64) func(*live.Row) (float64, bool) {
		return func(r *live.Row) (float64, bool) {
			l := r.Latency[event.StageProduce]
			return float64(n(l)), l.Count > 0
		}
	}
	bytesPerSecond := func(v float64) string { return ui.Bytes(int64(v)) + "/s" }
	return []page.Chart{
		chartOf("records", "Records per second", "Counted where they are appended and fetched. What this console reads for itself does not count.", h, func(v float64) string { return shortNumber(v) + "/s" }, linear,
			line{"in", "produce", rate(func(r *live.Row) int64 { return r.In })},
			line{"out", "fetch", rate(func(r *live.Row) int64 { return r.Out })}),
		chartOf("latency", "Produce latency", "From the whole request read to its answer, at the broker. Percentiles of all requests in each span, never averages.", h,
			func(v float64) string { return latency(int64(v), 1) }, logarithmic,
			line{"p50", "ok", micros(func(l live.Latency) int64 { return l.P50 })},
			line{"p99", "accent", micros(func(l live.Latency) int64 { return l.P99 })},
			line{"max", "faint", micros(func(l live.Latency) int64 { return l.Max })}),
		chartOf("bytes", "Bytes per second", "Record batches as they travel, so compressed ones count as compressed.", h, bytesPerSecond, linear,
			line{"in", "produce", rate(func(r *live.Row) int64 { return r.BytesIn })},
			line{"out", "fetch", rate(func(r *live.Row) int64 { return r.BytesOut })}),
		chartOf("lag", "Consumer lag", "Records between the committed offset and the high watermark, over all groups.", h, shortNumber, linear,
			line{"lag", "warn", func(r *live.Row) (float64, bool) { return float64(r.Lag), !r.Gap() }}),
	}
}

func linear(v float64) float64      { return v }
func logarithmic(v float64) float64 { return math.Log10(math.Max(v, 10)) }

func chartOf(key, title, note string, h live.History, words func(float64) string, scale func(float64) float64, lines ...line) page.Chart {
	c := page.Chart{Key: key, Title: title, Note: note, Span: "10 minutes"}
	top := 0.0
	for i := range h.Second {
		for _, l := range lines {
			if v, ok := l.value(&h.Second[i]); ok {
				top = math.Max(top, v)
			}
		}
	}
	if top > 0 {
		c.Top = words(top)
	}
	for _, l := range lines {
		cl := page.ChartLine{Name: l.name, Class: l.class, Newest: "–", Path: pathOf(h.Second, l, top, scale)}
		if n := len(h.Second); n > 0 {
			if v, ok := l.value(&h.Second[n-1]); ok {
				cl.Newest = words(v)
			}
		}
		c.Lines = append(c.Lines, cl)
	}
	return c
}

// pathOf draws a line over ten minutes that end with the newest row. Where a
// value is missing, the line is broken.
func pathOf(rows []live.Row, l line, top float64, scale func(float64) float64) string {
	if len(rows) == 0 {
		return ""
	}
	const span = 600_000 // ms
	end := rows[len(rows)-1].Time
	low, high := scale(0), scale(top)
	if high <= low {
		high = low + 1
	}
	var b strings.Builder
	pen := byte('M')
	for i := range rows {
		v, ok := l.value(&rows[i])
		if !ok {
			pen = 'M'
			continue
		}
		x := page.ChartWidth * (1 - float64(end-rows[i].Time)/span)
		y := (page.ChartHeight - 4) * (1 - (scale(v)-low)/(high-low))
		b.WriteByte(pen)
		b.WriteString(strconv.FormatFloat(x, 'f', 1, 64))
		b.WriteByte(' ')
		b.WriteString(strconv.FormatFloat(y+2, 'f', 1, 64))
		pen = 'L'
	}
	return b.String()
}

// shortNumber writes about three significant digits, as numbers.js does.
func shortNumber(v float64) string {
	a := math.Abs(v)
	switch {
	case a < 0.005:
		return "0"
	case a < 1:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 2, 64), "0")
	case a < 10:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	case a < 999.5:
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	}
	unit := 0
	for math.Abs(v) >= 999.5 && unit < 4 {
		v /= 1000
		unit++
	}
	digits := 0
	if math.Abs(v) < 9.995 {
		digits = 2
	} else if math.Abs(v) < 99.95 {
		digits = 1
	}
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s + []string{"", "k", "M", "G", "T"}[unit]
}

// latency writes µs in the unit that suits them; n is how many were measured.
func latency(us, n int64) string {
	ms := float64(us) / 1000
	switch {
	case n == 0:
		return "–"
	case us < 1000:
		return strconv.FormatInt(us, 10) + " µs"
	case ms < 10:
		return strconv.FormatFloat(ms, 'f', 2, 64) + " ms"
	case ms < 100:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 1000:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(ms/1000, 'f', 2, 64) + " s"
}
