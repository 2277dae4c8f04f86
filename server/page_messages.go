package server

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/server/message"
	"github.com/logarium/logarium/static"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// messages is a topic's tab with its messages; the whole question is in the
// address.
func (s *Server) messages(c echo.Context) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	m := page.MessagesModel{
		Head: topicHead(t, "messages"), From: c.QueryParam("from"), Offset: c.QueryParam("offset"), Time: c.QueryParam("time"),
		Partition: c.QueryParam("partition"), Limit: c.QueryParam("limit"), Filter: c.QueryParam("filter"),
		Partitions: partitionOptions(t, "All"), Problems: make(map[string]string),
	}
	q := messageQuery(t, &m)
	q.Cursor = c.QueryParam("cursor")
	switch {
	case len(m.Problems) > 0:
		return s.render(c, http.StatusUnprocessableEntity, topicPage(t), page.Messages(m))
	case m.From == "tail":
		m.Tail, m.Stream = true, url.Values{"view": {"events"}, "tail": {t.Name}}.Encode()
		frame := topicPage(t)
		frame.Script = static.ScriptTail
		return s.page(c, frame, page.Messages(m))
	}
	got, err := message.Read(c.Request().Context(), s.Cluster, q, message.DefaultBudget)
	if err != nil {
		m.Failure = err.Error()
		return s.render(c, http.StatusUnprocessableEntity, topicPage(t), page.Messages(m))
	}
	fillMessagesPage(&m, t, c, got)
	return s.page(c, topicPage(t), page.Messages(m))
}

// partitionOptions are the partitions to choose from, and a first choice that
// is none of them.
func partitionOptions(t kafka.Topic, first string) []ui.Option {
	options := []ui.Option{{Value: "", Label: first}}
	for _, p := range t.Partitions {
		id := strconv.Itoa(int(p.ID))
		options = append(options, ui.Option{Value: id, Label: id})
	}
	return options
}

// timeLayouts are the forms of a time in an address: what browsers send, and
// ISO 8601.
var timeLayouts = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", time.RFC3339Nano, "2006-01-02T15:04:05.999", "2006-01-02"}

// messageQuery checks the question and fills in what it leaves out.
func messageQuery(t kafka.Topic, m *page.MessagesModel) message.Query {
	q := message.Query{Topic: t.Name, Partition: message.AllPartitions, From: message.Newest, Limit: message.DefaultLimit, Filter: m.Filter}
	if m.From == "" {
		m.From = string(message.Newest)
	}
	if n, err := strconv.Atoi(m.Limit); err == nil && n > 0 {
		q.Limit = min(n, message.MaxLimit)
	}
	m.Limit = strconv.Itoa(q.Limit)
	if m.Partition != "" {
		n, problem := partitionOf(t, m.Partition)
		if problem != "" {
			m.Problems["partition"] = problem
		}
		q.Partition = n
	}
	switch message.From(m.From) {
	case message.Newest:
	case message.Oldest:
		q.From = message.Oldest
	case message.AtOffset:
		n, problem := number(m.Offset, "the offset", 0, 1<<62)
		if m.Offset == "" {
			problem = "Say from which offset on."
		}
		if problem != "" {
			m.Problems["offset"] = problem
		}
		q.From, q.Offset = message.AtOffset, n
	case message.AtTime:
		q.From = message.AtTime
		if at, ok := timeOf(m.Time); ok {
			q.Time, m.Time = at, at.Format("2006-01-02T15:04:05")
		} else {
			m.Problems["time"] = "Say since when, such as 2026-01-31T18:30:00 (UTC)."
		}
	case "tail":
	default:
		m.From = string(message.Newest)
	}
	return q
}

func timeOf(text string) (time.Time, bool) {
	for _, l := range timeLayouts {
		if at, err := time.Parse(l, text); err == nil {
			return at.UTC(), true
		}
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), true
	}
	return time.Time{}, false
}

func partitionOf(t kafka.Topic, text string) (int32, string) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || !slices.ContainsFunc(t.Partitions, func(p kafka.Partition) bool { return int64(p.ID) == n }) {
		return 0, fmt.Sprintf("The topic has no partition “%s”.", text)
	}
	return int32(n), ""
}

// fillMessagesPage puts the answer into the page.
func fillMessagesPage(m *page.MessagesModel, t kafka.Topic, c echo.Context, got message.Page) {
	m.Read, m.Descending = true, got.Descending
	m.Summary, m.More = summary(got)
	for _, r := range got.Records {
		m.Rows = append(m.Rows, recordRow(&r, message.ListText))
	}
	m.Empty = true
	for _, span := range got.Spans {
		m.Empty = m.Empty && span.Problem == "" && span.Start == span.End
		if span.Problem != "" && len(m.Troubles) < 5 {
			m.Troubles = append(m.Troubles, fmt.Sprintf("Partition %d was not read: %s", span.Partition, span.Problem))
		}
	}
	if more := got.Unreachable - len(m.Troubles); more > 0 {
		m.Troubles = append(m.Troubles, ui.Plural(more, "more partition was", "more partitions were")+" not read.")
	}
	l := list{path: link.Topic(t.Name, "messages"), query: c.QueryParams()}
	if got.Older != "" {
		m.Older = l.with("cursor", got.Older)
	}
	if got.Newer != "" {
		m.Newer = l.with("cursor", got.Newer)
	}
}

// summary says what was looked at and why it ended.
func summary(p message.Page) (words string, more bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s shown. ", ui.Plural(len(p.Records), "message", "messages"))
	fmt.Fprintf(&b, "Looked at %s (%s) in %s, %s", ui.Plural(p.Scanned, "record", "records"), ui.Bytes(p.Bytes),
		ui.Plural(len(p.Spans)-p.Unreachable, "partition", "partitions"), ui.Elapsed(p.Took))
	if len(p.Spans) == 1 {
		fmt.Fprintf(&b, ", offsets %s to %s", ui.Count(p.Spans[0].From), ui.Count(p.Spans[0].Until))
	}
	b.WriteString(". ")
	switch p.Stop {
	case message.StopLimit:
		b.WriteString("Stopped at the limit.")
	case message.StopBytes:
		b.WriteString("Stopped at the scan limit: there is more to search.")
		more = true
	case message.StopTime:
		b.WriteString("Stopped at the time limit: there is more to search.")
		more = true
	case message.StopEnd:
		if p.Descending {
			b.WriteString("Stopped at the beginning of the topic.")
		} else {
			b.WriteString("Stopped at the end of the topic.")
		}
	}
	return b.String(), more
}
