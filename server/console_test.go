package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/logarium/logarium/server/kafka"
)

// console is a console before a fake cluster of three brokers.
type console struct {
	t       *testing.T
	handler http.Handler
	server  *Server
	cluster *kafka.Cluster
	fake    *kfake.Cluster
	seeds   []string
	demo    *fakeDemo
	cookies []*http.Cookie
	log     *strings.Builder
}

type fakeDemo struct{ running atomic.Bool }

func (d *fakeDemo) Running() bool               { return d.running.Load() }
func (d *fakeDemo) Offered() bool               { return true }
func (d *fakeDemo) About() string               { return "<em>hearts</em>" }
func (d *fakeDemo) Start(context.Context) error { d.running.Store(true); return nil }
func (d *fakeDemo) Stop(context.Context) error  { d.running.Store(false); return nil }

func newConsole(t *testing.T, opts ...kfake.Opt) *console {
	t.Helper()
	fake, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	cluster, err := kafka.Open(kafka.Config{Seeds: fake.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	c := &console{t: t, cluster: cluster, fake: fake, seeds: fake.ListenAddrs(), demo: &fakeDemo{}, log: &strings.Builder{}}
	c.server, err = New(Config{
		Cluster: cluster, Demo: c.demo, Version: "test", AllowedHosts: []string{"console.example"},
		Logger: slog.New(slog.NewTextHandler(c.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.handler = c.server.Handler()
	return c
}

// do sends a request as a browser on this machine would.
func (c *console) do(method, target string, form url.Values, change ...func(*http.Request)) *http.Response {
	c.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequestWithContext(c.t.Context(), method, "http://localhost:8080"+target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, cookie := range c.cookies {
		r.AddCookie(cookie)
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	c.handler.ServeHTTP(w, r)
	return w.Result()
}

// page gets a page and parses it.
func (c *console) page(target string, status int) *goquery.Document {
	c.t.Helper()
	return c.parse(target, c.do(http.MethodGet, target, nil), status)
}

func (c *console) parse(target string, resp *http.Response, status int) *goquery.Document {
	c.t.Helper()
	defer resp.Body.Close()
	doc, err := goquery.NewDocumentFromReader(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode != status {
		c.t.Fatalf("%s: status %d, want %d: %s", target, resp.StatusCode, status, squeeze(doc.Find("main").Text()))
	}
	return doc
}

// post sends a form and, if it is answered by a redirect, returns the page that
// it leads to, with the message on it.
func (c *console) post(target string, form url.Values, status int) *goquery.Document {
	c.t.Helper()
	resp := c.do(http.MethodPost, target, form)
	if status != http.StatusSeeOther {
		return c.parse(target, resp, status)
	}
	defer resp.Body.Close()
	if resp.StatusCode != status {
		doc, _ := goquery.NewDocumentFromReader(resp.Body)
		c.t.Fatalf("%s: status %d, want a redirect: %s", target, resp.StatusCode, squeeze(doc.Find("main").Text()))
	}
	c.cookies = resp.Cookies()
	defer func() { c.cookies = nil }()
	return c.page(resp.Header.Get("Location"), http.StatusOK)
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// has fails unless the selection's text holds all of the words.
func has(t *testing.T, s *goquery.Selection, words ...string) {
	t.Helper()
	text := squeeze(s.Text())
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in %q", w, text)
		}
	}
}

// produce writes records by an ordinary client.
func (c *console) produce(records ...*kgo.Record) {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		c.t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(c.t.Context(), records...).FirstErr(); err != nil {
		c.t.Fatal(err)
	}
}

// consume makes a group with one member, which has read and committed n records
// of a topic.
func (c *console) consume(group, clientID, topic string, n int) *kgo.Client {
	c.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.seeds...), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ClientID(clientID), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for n > 0 {
		got := client.PollRecords(ctx, n)
		if err := got.Err(); err != nil {
			c.t.Fatal(err)
		}
		if err := client.CommitRecords(ctx, got.Records()...); err != nil {
			c.t.Fatal(err)
		}
		n -= len(got.Records())
	}
	return client
}
