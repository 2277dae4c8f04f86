package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/live"
	"github.com/logarium/logarium/static"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// The overview's first state is bounded, whatever the size of the cluster.
const (
	overviewPartitions = 200
	overviewGroups     = 50
	overviewEvents     = 30
	overviewWait       = 300 * time.Millisecond // for the newest messages
)

// overview is the first page: the cluster, alive.
func (s *Server) overview(c echo.Context) error {
	m, err := s.Live.Snapshot(live.ViewCluster)
	if err != nil {
		return err
	}
	h := s.Live.History()
	ctx, cancel := context.WithTimeout(c.Request().Context(), overviewWait)
	defer cancel()
	o := newOverview(m)
	model := page.OverviewModel{
		Tiles:    o.tiles(h),
		Map:      o.mapModel(),
		Charts:   chartsOf(h),
		Lags:     o.lags(),
		Messages: messagesOf(s.Live.LatestRecords(ctx)),
		Journal:  m.Journal,
	}
	model.Events = foldEvents(s.Live.Events(4*overviewEvents), overviewEvents)
	return s.page(c, layout.Model{
		Title: "Overview", Section: "overview", Script: static.ScriptOverview,
	}, page.Overview(model))
}

// folded are the kinds of which a change of one broker brings many at once.
var folded = []string{"leader.elected", "isr.shrunk", "isr.expanded", "follower.started", "log.truncated", "log.recovered"}

// foldEvents puts events of one kind and broker that came together into one
// line, as lists.js does. They are newest first.
func foldEvents(events []live.StateEvent, most int) (lines []page.Event) {
	const together = 2000 // ms
	var last live.StateEvent
	for _, e := range events {
		n := len(lines)
		if n > 0 && last.Kind == e.Kind && last.Broker == e.Broker && last.Time-e.Time < together && slices.Contains(folded, e.Kind) {
			lines[n-1].More++
			continue
		}
		if n == most {
			break
		}
		kind, _, _ := strings.Cut(e.Kind, ".")
		lines = append(lines, page.Event{Seq: e.Seq, Time: time.UnixMilli(e.Time), Kind: kind, Text: e.Text})
		last = e
	}
	return lines
}

// overview is a model with its lists by id.
type overview struct {
	*live.Model
	topics     map[int]live.Topic
	partitions map[int]live.PartitionRow
	clients    map[int]live.Client
}

func newOverview(m *live.Model) *overview {
	o := &overview{m, make(map[int]live.Topic), make(map[int]live.PartitionRow), make(map[int]live.Client)}
	for _, t := range m.Topics {
		o.topics[t.ID] = t
	}
	for _, p := range m.Partitions {
		o.partitions[p.ID] = p
	}
	for _, c := range m.Clients {
		o.clients[c.ID] = c
	}
	return o
}

// tiles are the figures on top. Internal topics do not count, since a user has
// not made them, except where something is wrong.
func (o *overview) tiles(h live.History) []page.Tile {
	up, topics, partitions, under, offline := 0, 0, 0, 0, 0
	for _, b := range o.Brokers {
		up += boolInt(b.Up && !b.Fenced)
	}
	for _, t := range o.Topics {
		topics += boolInt(!t.Internal)
	}
	var replicated float64
	for _, p := range o.Partitions {
		under += boolInt(slices.ContainsFunc(p.Replicas, func(r live.ReplicaRow) bool { return !r.InSync || r.Offline }))
		offline += boolInt(p.Leader < 0)
		if o.topics[p.Topic].Internal {
			continue
		}
		partitions++
		for _, r := range p.Replicas {
			replicated += r.Rate
		}
	}
	var lag int64
	for _, g := range o.Lags {
		lag += g.Lag
	}
	newest := newestRow(h)
	controller := "none"
	if o.Controller >= 0 {
		controller = fmt.Sprintf("Broker %d", o.Controller)
	}
	return []page.Tile{
		{Label: "Brokers up", Key: "brokers", Value: strconv.Itoa(up), AllKey: "brokersAll", All: strconv.Itoa(len(o.Brokers)), Warn: up < len(o.Brokers)},
		{Label: "Active controller", Key: "controller", Value: controller, Warn: o.Controller < 0},
		{Label: "Topics", Key: "topics", Value: ui.Count(topics)},
		{Label: "Partitions", Key: "partitions", Value: ui.Count(partitions)},
		{Label: "Under-replicated", Key: "under", Value: ui.Count(under), AllKey: "partitionsAll", All: ui.Count(len(o.Partitions)), Warn: under > 0},
		{Label: "Offline partitions", Key: "offline", Value: ui.Count(offline), AllKey: "partitionsAll", All: ui.Count(len(o.Partitions)), Warn: offline > 0},
		{Label: "Records in", Key: "in", Value: shortNumber(perSecond(newest.In, newest.Span)), Unit: "/s"},
		{Label: "Records replicated", Key: "replicated", Value: shortNumber(replicated), Unit: "/s"},
		{Label: "Records out", Key: "out", Value: shortNumber(perSecond(newest.Out, newest.Span)), Unit: "/s"},
		{Label: "Bytes in", Key: "bytesIn", Value: ui.Bytes(int64(perSecond(newest.BytesIn, newest.Span))) + "/s"},
		{Label: "Consumer lag", Key: "lag", Value: ui.Count(lag)},
		{Label: "Produce p99", Key: "p99", Value: latency(newest.Latency[0].P99, newest.Latency[0].Count)},
	}
}

func newestRow(h live.History) live.Row {
	if len(h.Second) == 0 || h.Second[len(h.Second)-1].Gap() {
		return live.Row{}
	}
	return h.Second[len(h.Second)-1]
}

func perSecond(n, span int64) float64 {
	if span <= 0 {
		return 0
	}
	return float64(n) * 1000 / float64(span)
}

func (o *overview) mapModel() (m page.MapModel) {
	for _, p := range o.Partitions {
		t := o.topics[p.Topic]
		if t.Internal {
			continue
		}
		if len(m.Partitions) == overviewPartitions {
			m.More++
			continue
		}
		leader := "none"
		if p.Leader >= 0 {
			leader = fmt.Sprintf("Broker %d", p.Leader)
		}
		inSync := 0
		for _, r := range p.Replicas {
			inSync += boolInt(r.InSync && !r.Offline)
		}
		m.Partitions = append(m.Partitions, page.PartitionLine{
			Name: fmt.Sprintf("%s-%d", t.Name, p.Number), Leader: leader, InSync: fmt.Sprintf("%d/%d", inSync, len(p.Replicas)),
			Start: ui.Count(p.Start), HW: ui.Count(p.HW), In: shortNumber(p.InRate), Out: shortNumber(p.OutRate),
		})
	}
	slices.SortStableFunc(m.Partitions, func(a, b page.PartitionLine) int { return cmp.Compare(a.Name, b.Name) })
	m.Clients = o.clientLines()
	return m
}

func (o *overview) clientLines() (lines []page.ClientLine) {
	type flow struct {
		client    int
		direction string
	}
	var order []flow
	records := make(map[flow]int64)
	rates := make(map[flow]float64)
	for _, l := range o.Links {
		f := flow{l.Client, l.Direction}
		if _, ok := records[f]; !ok {
			order = append(order, f)
		}
		records[f] += l.Records
		rates[f] += l.Rate
	}
	for _, f := range order {
		c := o.clients[f.client]
		line := page.ClientLine{Name: c.Name, Role: "consumes", Software: cmp.Or(c.Software, "–"), Rate: shortNumber(rates[f]), Records: ui.Count(records[f])}
		if f.direction == "p" {
			line.Role = "produces"
		}
		lines = append(lines, line)
	}
	return lines
}

func (o *overview) lags() (rows []page.LagRow) {
	sums := make(map[int]int64)
	topics := make(map[int][]string)
	for _, g := range o.Lags {
		sums[g.Group] += g.Lag
		name := o.topics[o.partitions[g.Partition].Topic].Name
		if !slices.Contains(topics[g.Group], name) {
			topics[g.Group] = append(topics[g.Group], name)
		}
	}
	for _, g := range o.Groups {
		if len(rows) == overviewGroups {
			break
		}
		slices.Sort(topics[g.ID])
		rows = append(rows, page.LagRow{
			Group: g.Name, Href: link.Group(g.Name), State: cmp.Or(g.State, "–"), Members: ui.Count(len(g.Members)),
			Topics: cmp.Or(strings.Join(topics[g.ID], ", "), "–"), Lag: ui.Count(sums[g.ID]), Behind: sums[g.ID] > 0,
		})
	}
	return rows
}

func messagesOf(records []live.RecordView) (list []page.Message) {
	for _, r := range records {
		list = append(list, page.Message{
			Time: time.UnixMilli(r.Time), Href: link.Record(r.Topic, r.Partition, r.Offset),
			Where: fmt.Sprintf("%s-%d@%s", r.Topic, r.Partition, ui.Count(r.Offset)),
			Key:   r.Key, Value: r.Value, NullKey: r.NullKey, NullValue: r.NullValue, Size: ui.Bytes(int64(r.Size)),
		})
	}
	return list
}
