package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/server/live"
)

// pictured returns a console whose picture is of a small cluster at work.
func pictured(t *testing.T) (*console, *event.Hub) {
	t.Helper()
	c, hub := newConsole(t), event.New()
	c.server.Live = live.New(hub, live.Options{Build: "test", Logger: c.server.Logger})
	for b := range int32(3) {
		hub.Emit(event.State{Kind: event.BrokerStarted, Broker: b + 1, Partition: -1, Text: "127.0.0.1:9092"})
	}
	hub.Emit(event.State{Kind: event.BrokerStopped, Broker: 3, Partition: -1})
	hub.Emit(event.State{Kind: event.GroupState, Group: "<b>billing</b>", Epoch: 1, Text: "Stable", Broker: 1, Partition: -1})
	for p := range int32(2) {
		for _, topic := range []string{"orders", "__consumer_offsets"} {
			r := hub.Partition(event.PartitionKey{Broker: p + 1, Topic: topic, Partition: p})
			r.Leader.Store(true)
			r.LogEnd.Store(1234)
			r.HighWatermark.Store(1234)
		}
		hub.Link(event.LinkKey{Direction: event.Produce, ClientID: "<script>alert(1)</script>", Topic: "orders", Partition: p}).Records.Store(617)
		hub.Group(event.GroupKey{Group: "<b>billing</b>", Topic: "orders", Partition: p}).Committed.Store(1200)
	}
	return c, hub
}

func TestOverview_WholeWithoutScript(t *testing.T) {
	c, _ := pictured(t)
	doc := c.page("/", http.StatusOK)
	for key, want := range map[string]string{"brokers": "2", "brokersAll": "3", "topics": "1", "partitions": "2", "lag": "68", "p99": "–"} {
		if got := doc.Find(`[data-v="` + key + `"]`).Text(); got != want {
			t.Errorf("tile %s says %q, not %q", key, got, want)
		}
	}
	table := doc.Find("[data-map-table]").Text()
	for _, want := range []string{"orders-0", "orders-1", "Broker 1", "1,234", "<script>alert(1)</script>"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table beside the map lacks %q", want)
		}
	}
	if strings.Contains(table, "__consumer_offsets") {
		t.Error("the table lists internal topics")
	}
	if got := doc.Find("[data-lags] tr").Text(); !strings.Contains(got, "<b>billing</b>") || !strings.Contains(got, "68") {
		t.Errorf("the lags say %q", got)
	}
	if got := doc.Find("[data-events] li").First().Text(); !strings.Contains(got, "Group <b>billing</b> is Stable") {
		t.Errorf("the newest event says %q", got)
	}
	if n := doc.Find("[data-chart]").Length(); n != 4 {
		t.Errorf("%d graphs", n)
	}
	doc.Find("canvas").Each(func(_ int, s *goquery.Selection) {
		if s.AttrOr("aria-hidden", "") != "true" || s.Closest("figure").Length() != 1 {
			t.Error("a canvas that a screen reader would meet")
		}
	})
	if doc.Find("[style]").Length() != 0 || doc.Find("script:not([src])").Length() != 0 {
		t.Error("something inline, which the policy forbids")
	}
}

func TestOverview_GraphsOfTheHistory(t *testing.T) {
	rows := []live.Row{
		{Time: 0, Span: 1000, In: 100}, {Time: 300_000, Span: 1000, In: -1, Out: -1, BytesIn: -1, BytesOut: -1, Lag: -1},
		{Time: 600_000, Span: 500, In: 1000, Lag: 7, Latency: [event.StageCount]live.Latency{{Count: 10, P50: 800, P99: 5000, P999: 6000, Max: 7000}}},
	}
	charts := chartsOf(live.History{Second: rows})
	records := charts[0].Lines[0]
	if records.Newest != "2k/s" || charts[0].Top != "2k/s" {
		t.Errorf("records: %+v, top %s", records, charts[0].Top)
	}
	if want := "M0.0 131.2M600.0 2.0"; records.Path != want {
		t.Errorf("the line is %q, not %q: a gap breaks it", records.Path, want)
	}
	if p99 := charts[1].Lines[1]; p99.Newest != "5.00 ms" {
		t.Errorf("p99: %+v", p99)
	}
	if empty := chartsOf(live.History{}); empty[0].Lines[0].Path != "" || empty[0].Lines[0].Newest != "–" {
		t.Errorf("without history: %+v", empty[0])
	}
}

func TestShortNumber_AsTheScriptWritesThem(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.004: "0", 0.42: "0.42", 0.5: "0.5", 3.14: "3.1", 4: "4", 12.4: "12", 999: "999", 1000: "1k", 1234: "1.23k",
		45_600: "45.6k", 999_600: "1M", 1_200_000: "1.2M",
	} {
		if got := shortNumber(v); got != want {
			t.Errorf("%v is written %q, not %q", v, got, want)
		}
	}
}

func TestLive_SnapshotAndHistory(t *testing.T) {
	c, _ := pictured(t)
	var m live.Model
	c.json(t, "/live/snapshot", http.StatusOK, &m)
	if m.Schema != live.Schema || len(m.Partitions) != 4 || len(m.Brokers) != 3 {
		t.Errorf("snapshot: %+v", m)
	}
	c.json(t, "/live/snapshot?view=topic:orders", http.StatusOK, &m)
	if len(m.Partitions) != 2 {
		t.Errorf("%d partitions in the view of a topic", len(m.Partitions))
	}
	var h live.History
	c.json(t, "/live/history", http.StatusOK, &h)
	if len(h.Fields) != len(live.RowFields) {
		t.Errorf("history: %+v", h)
	}
	if res := c.do(http.MethodGet, "/live/snapshot?view=nonsense", nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a view that does not exist: %d", res.StatusCode)
	}
}

func (c *console) json(t *testing.T, target string, status int, v any) {
	t.Helper()
	res := c.do(http.MethodGet, target, nil)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		t.Fatalf("%s: %d %v", target, res.StatusCode, err)
	}
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%s: %v in %s", target, err, body)
	}
}

func TestLive_StreamThroughTheWholeConsole(t *testing.T) {
	c, hub := pictured(t)
	c.server.Live.Start()
	t.Cleanup(c.server.Live.Close)
	srv := httptest.NewServer(c.handler)
	t.Cleanup(srv.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/live?view=cluster", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("Content-Encoding") != "" || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("headers: %v", res.Header)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-cache, no-transform" {
		t.Errorf("Cache-Control: %q", got)
	}
	seen := make(map[string]bool)
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for (!seen["event: hello"] || !seen["event: frame"] || !seen["event: state"]) && lines.Scan() {
		if !seen[lines.Text()] && lines.Text() == "event: hello" {
			hub.Emit(event.State{Kind: event.TopicCreated, Topic: "new", A: 1, Broker: -1, Partition: -1})
		}
		seen[lines.Text()] = true
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestLive_TooManyStreamsIsSaidInWords(t *testing.T) {
	c, hub := pictured(t)
	c.server.Live = live.New(hub, live.Options{MaxStreams: -1, Logger: c.server.Logger})
	res := c.do(http.MethodGet, "/live", nil)
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(body), "Too many live pages") {
		t.Errorf("%d %q %v", res.StatusCode, body, err)
	}
}

func TestFoldEvents_WhatComesTogetherIsOneLine(t *testing.T) {
	e := func(seq uint64, at int64, kind string, broker int32) live.StateEvent {
		return live.StateEvent{Seq: seq, Time: at, Kind: kind, Broker: broker, Text: kind}
	}
	lines := foldEvents([]live.StateEvent{
		e(9, 9000, "isr.expanded", 1), e(8, 8990, "isr.expanded", 1), e(7, 8980, "isr.expanded", 2), e(6, 2000, "isr.expanded", 2),
		e(5, 1990, "topic.created", -1), e(4, 1980, "topic.created", -1), e(3, 1, "group.created", -1),
	}, 5)
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("%d+%d", l.Seq, l.More))
	}
	if want := "9+1 7+0 6+0 5+0 4+0"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}
