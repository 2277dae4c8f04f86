package server

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logarium/logarium/server/kafka"
)

func values(doc *goquery.Document) (out []string) {
	doc.Find("details.record summary .value").Each(func(_ int, s *goquery.Selection) { out = append(out, squeeze(s.Text())) })
	return out
}

func TestMessages_SeekFilterAndTurn(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(2, "orders"))
	begin := time.UnixMilli(1_700_000_000_000)
	var records []*kgo.Record
	for i := range 60 {
		records = append(records, &kgo.Record{
			Topic: "orders", Partition: int32(i % 2), Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint("v", i)),
			Timestamp: begin.Add(time.Duration(i) * time.Second),
		})
	}
	c.produce(records...)
	doc := c.page("/topics/orders/messages?limit=25", http.StatusOK)
	if got := values(doc); len(got) != 25 || got[0] != "v59" || got[24] != "v35" {
		t.Errorf("newest: %v", got)
	}
	has(t, doc.Find("[role=status]"), "25 messages shown.", "in 2 partitions", "Stopped at the limit.")
	older := doc.Find(".pager a").AttrOr("href", "")
	doc = c.page(older, http.StatusOK)
	if got := values(doc); len(got) != 25 || got[0] != "v34" {
		t.Errorf("older: %v", got)
	}
	newer := doc.Find(".pager a").First().AttrOr("href", "")
	if got := values(c.page(newer, http.StatusOK)); len(got) != 25 || got[0] != "v59" {
		t.Errorf("and back: %v", got)
	}
	for target, want := range map[string]string{
		"from=oldest&limit=25": "v0", "from=offset&offset=28&partition=1": "v57", "from=oldest&filter=v4": "v4", "filter=k33": "v33",
		"from=time&time=" + begin.Add(50*time.Second).UTC().Format("2006-01-02T15:04:05"): "v50",
	} {
		if got := values(c.page("/topics/orders/messages?"+target, http.StatusOK)); len(got) == 0 || got[0] != want {
			t.Errorf("%s: %v", target, got)
		}
	}
	has(t, c.page("/topics/orders/messages?filter=zzz", http.StatusOK).Find(".records"), "Nothing holds “zzz”", "Looked at 60 records", "Stopped at the beginning")
	for target, words := range map[string]string{
		"from=offset":            "Say from which offset on.",
		"from=offset&offset=-1":  "The offset must be between",
		"from=time&time=morning": "Say since when",
		"partition=7":            "The topic has no partition “7”.",
	} {
		has(t, c.page("/topics/orders/messages?"+target, http.StatusUnprocessableEntity).Find("#query"), words)
	}
	has(t, c.page("/topics/orders/messages?cursor=!", http.StatusUnprocessableEntity).Find("[role=alert]"), "cursor")
}

func TestMessages_EmptyTopic(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(2, "orders"))
	has(t, c.page("/topics/orders/messages", http.StatusOK).Find(".records"), "This topic is empty", "Produce the first message")
	tail := c.page("/topics/orders/messages?from=tail&partition=1", http.StatusOK).Find("#tail")
	if tail.AttrOr("data-live", "") != "tail=orders&view=events" || tail.AttrOr("data-partition", "") != "1" || tail.Find("noscript").Length() != 1 {
		t.Error("the tail is not whole")
	}
}

func TestRecord_PermalinkAndDownload(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	c.produce(&kgo.Record{Topic: "orders", Key: []byte{0xff, 0}, Value: []byte(`{"a":{"b":1}}`), Headers: []kgo.RecordHeader{{Key: "h", Value: nil}, {Key: "h", Value: []byte("2")}}})
	c.produce(record("orders", strings.Repeat("x", 400<<10)))
	doc := c.page("/topics/orders/partitions/0/offsets/0", http.StatusOK)
	has(t, doc.Find(".record-body"), `"b": 1`, "It is not UTF-8 text.", "null", "CreateTime")
	if n := doc.Find(".record-body dt:contains('h')").Length(); n < 2 {
		t.Error("a header of the same name is lost")
	}
	resp := c.do(http.MethodGet, doc.Find("a[download]:contains('key')").AttrOr("href", ""), nil)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(raw, []byte{0xff, 0}) {
		t.Errorf("downloaded %q, %v", raw, err)
	}
	if h := resp.Header; !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") || h.Get("Content-Type") != "application/octet-stream" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("headers %v", h)
	}
	has(t, c.page("/topics/orders/partitions/0/offsets/1", http.StatusOK).Find(".record-body"), "144 KiB more")
	has(t, c.page("/topics/orders/partitions/0/offsets/9", http.StatusNotFound).Find("main"), "the next record gets offset 2")
	for _, target := range []string{"/topics/orders/partitions/3/offsets/0", "/topics/orders/partitions/x/offsets/0", "/topics/orders/partitions/0/offsets/-1"} {
		c.page(target, http.StatusNotFound)
	}
}

func TestProduce_FormToRecord(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(3, "orders"))
	form := url.Values{
		"partition": {""}, "key": {"user-17"}, "value": {"line 1\r\nline 2"},
		"header-key": {"h", "", "h"}, "header-value": {"1", "", "2"},
	}
	doc := c.post("/topics/orders/produce", form, http.StatusSeeOther)
	want := kafka.PartitionFor([]byte("user-17"), 3)
	has(t, doc.Find(".notice"), fmt.Sprintf("Written to partition %d at offset 0.", want), "Show the record")
	shown := c.page(doc.Find(".notice a").AttrOr("href", ""), http.StatusOK)
	if got := shown.Find("pre.payload").First().Text(); got != "line 1\nline 2" {
		t.Errorf("value %q", got)
	}
	if n := shown.Find(".record-body section:contains('Headers') dt").Length(); n != 2 {
		t.Errorf("%d headers", n)
	}

	form = url.Values{"partition": {"2"}, "null-key": {"1"}, "null-value": {"1"}, "keep": {"1"}}
	doc = c.post("/topics/orders/produce", form, http.StatusOK)
	has(t, doc.Find(".notice"), "Written to partition 2 at offset")
	if doc.Find("#null-key[checked]").Length() != 1 {
		t.Error("the contents are not kept")
	}
	shown = c.page(doc.Find(".notice a").AttrOr("href", ""), http.StatusOK)
	if n := shown.Find(".record-body .badge:contains('null')").Length(); n != 2 {
		t.Errorf("%d nulls", n)
	}
}

func TestProduce_Words(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(3, "orders"))
	for words, form := range map[string]url.Values{
		"There is a value, but “no value” is chosen": {"value": {"v"}, "null-value": {"1"}},
		"There is a key, but “no key” is chosen":     {"key": {"k"}, "null-key": {"1"}},
		"A header has a value but no key.":           {"header-key": {""}, "header-value": {"v"}},
		"The topic has no partition “9”.":            {"partition": {"9"}},
	} {
		has(t, c.post("/topics/orders/produce", form, http.StatusUnprocessableEntity).Find("form.card"), words)
	}
	more := c.post("/topics/orders/produce", url.Values{"header-key": {"a"}, "header-value": {"b"}, "value": {"\nv"}, "more-headers": {"1"}}, http.StatusOK)
	if n := more.Find(".header-row").Length(); n != 2 {
		t.Errorf("%d header rows", n)
	}
	if got := more.Find("#value").Text(); got != "\nv" {
		t.Errorf("the value became %q", got)
	}
	topic, _, err := c.cluster.Topic(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	start, end := c.cluster.Ends(t.Context(), topic)
	if n := kafka.Messages(topic, start, end); n.N != 0 {
		t.Errorf("%d records were written all the same", n.N)
	}
	resp := c.do(http.MethodPost, "/topics/orders/partition-of-key", url.Values{"key": {"abc"}})
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if want := fmt.Sprintf("This key goes to partition %d of 3.", kafka.PartitionFor([]byte("abc"), 3)); err != nil || string(body) != want {
		t.Errorf("%q, %v", body, err)
	}
}

// hostile is what an attacker writes into every place that he can name.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>{{.}}`

func TestPages_WhatOthersWroteStaysText(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	c.produce(&kgo.Record{
		Topic: "orders", Key: []byte(hostile), Value: []byte(hostile),
		Headers: []kgo.RecordHeader{{Key: hostile, Value: []byte(hostile)}},
	}, &kgo.Record{Topic: "orders", Key: []byte("javascript:alert(1)"), Value: []byte(`{"a":"` + "</pre><script>alert(1)</script>" + `"}`)})
	c.consume(hostile, hostile, "orders", 2)
	q := url.QueryEscape(hostile)
	for _, target := range []string{
		"/topics?groups=1", "/topics?q=" + q, "/topics/orders/messages", "/topics/orders/messages?filter=" + q, "/topics/orders/messages?from=time&time=" + q,
		"/topics/orders/partitions/0/offsets/0", "/topics/orders/partitions/0/offsets/1", "/topics/orders/groups", "/topics/orders/delete",
		"/topics/orders/produce?key=" + q, "/topics/orders/configs?q=" + q, "/topics/orders/configs?edit=" + q,
		"/groups", "/groups?q=" + q, "/groups/" + url.PathEscape(hostile), "/groups/" + url.PathEscape(hostile) + "/delete",
		"/connect?topic=" + q, "/create-topic?name=" + q, "/topics/" + url.PathEscape(hostile), "/brokers/0?q=" + q,
		"/topics?sort=" + q + "&dir=" + q + "&page=" + q,
	} {
		t.Run(target, func(t *testing.T) {
			resp := c.do(http.MethodGet, target, nil)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode >= http.StatusInternalServerError {
				t.Errorf("status %d", resp.StatusCode)
			}
			for _, bad := range []string{"<script>alert", "<img src=x", "href=\"javascript:"} {
				if bytes.Contains(body, []byte(bad)) {
					t.Errorf("%s is on the page", bad)
				}
			}
			noInline(t, bytes.NewReader(body))
		})
	}
	form := url.Values{"name": {hostile}, "partitions": {hostile}, "replication": {hostile}, "retention": {hostile}, "retention-unit": {"d"}, "cleanup": {hostile}}
	html, err := c.post("/create-topic", form, http.StatusUnprocessableEntity).Html()
	if err != nil || strings.Contains(html, "<script>alert") {
		t.Errorf("the form lets it through, %v", err)
	}
}
