package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/page"
)

// fakeBrokers notes what is done with brokers.
type fakeBrokers struct {
	mu     sync.Mutex
	states map[int32]string
	did    []string
	fail   error
}

func (b *fakeBrokers) State(id int32) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.states[id]
}

func (b *fakeBrokers) set(id int32, did, state string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.did = append(b.did, did)
	b.states[id] = state
	return nil
}

func (b *fakeBrokers) Stop(_ context.Context, id int32) error { return b.set(id, "stop", stateStopped) }
func (b *fakeBrokers) Kill(id int32) error                    { return b.set(id, "kill", stateKilled) }
func (b *fakeBrokers) Pause(id int32) error                   { return b.set(id, "pause", statePaused) }
func (b *fakeBrokers) Resume(id int32) error                  { return b.set(id, "resume", stateRunning) }
func (b *fakeBrokers) Start(_ context.Context, id int32) error {
	return b.set(id, "start", stateRunning)
}

func newBrokersConsole(t *testing.T) (*console, *fakeBrokers) {
	t.Helper()
	c := newConsole(t, kfake.SeedTopics(3, "orders"))
	b := &fakeBrokers{states: map[int32]string{1: stateRunning, 2: stateRunning, 3: stateStopped}}
	c.server.Brokers = b
	c.server.Durability = "os"
	return c, b
}

func TestBrokers_StopAsksFirst(t *testing.T) {
	c, b := newBrokersConsole(t)
	doc := c.page("/brokers/1/stop?next=/brokers", http.StatusOK)
	has(t, doc.Find("h1"), "Stop broker 1?")
	has(t, doc.Find("form[data-ask-form]"), "It hands over the partitions", "Leave it as it is")
	if n := doc.Find("#consequences li").Length(); n == 0 {
		t.Error("nothing is said of the consequences")
	}
	has(t, c.post("/brokers/1/stop", url.Values{}, http.StatusOK).Find("h1"), "Stop broker 1?")
	if len(b.did) != 0 {
		t.Fatalf("done without a confirmation: %v", b.did)
	}
	doc = c.post("/brokers/1/stop", url.Values{"confirm": {"yes"}, "next": {"/brokers"}}, http.StatusSeeOther)
	has(t, doc.Find("main"), "Broker 1 is stopped.")
	has(t, doc.Find("#brokers"), "stopped", "Start")
	has(t, c.post("/brokers/3/start", url.Values{}, http.StatusSeeOther).Find("main"), "Broker 3 is started.")
	if want := []string{"stop", "start"}; !cmp.Equal(b.did, want) {
		t.Errorf("done: %v", b.did)
	}
}

func TestBrokers_WhatCannotBeDone(t *testing.T) {
	c, b := newBrokersConsole(t)
	has(t, c.post("/brokers/3/stop", url.Values{"confirm": {"yes"}}, http.StatusConflict).Find("main"), "Broker 3 is stopped", "Only a broker that is running or draining")
	c.post("/brokers/9/stop", url.Values{"confirm": {"yes"}}, http.StatusNotFound)
	c.post("/brokers/1/explode", url.Values{"confirm": {"yes"}}, http.StatusNotFound)
	b.fail = errors.New("the disk is gone")
	has(t, c.post("/brokers/1/kill", url.Values{"confirm": {"yes"}}, http.StatusUnprocessableEntity).Find("[role=alert]"), "the disk is gone")
	c.server.Brokers = nil
	c.post("/brokers/1/stop", url.Values{"confirm": {"yes"}}, http.StatusNotFound)
	if n := c.page("/brokers", http.StatusOK).Find("#brokers .buttons .btn").Length(); n != 0 {
		t.Errorf("%d buttons for brokers that the console does not run", n)
	}
}

// A program gets JSON, whatever comes of it, and is not asked back.
func TestBrokers_ForPrograms(t *testing.T) {
	c, _ := newBrokersConsole(t)
	ask := func(method, target string, into any) int {
		t.Helper()
		resp := c.do(method, target, nil, func(r *http.Request) { r.Header.Set("Accept", "application/json") })
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		return resp.StatusCode
	}
	var list struct{ Brokers []brokerJSON }
	if status := ask(http.MethodGet, "/brokers.json", &list); status != http.StatusOK || len(list.Brokers) < 3 {
		t.Fatalf("status %d, %+v", status, list)
	}
	var state brokerStateJSON
	if status := ask(http.MethodPost, "/brokers/2/kill", &state); status != http.StatusOK || state != (brokerStateJSON{2, stateKilled}) {
		t.Errorf("status %d, %+v", status, state)
	}
	for target, want := range map[string]int{"/brokers/2/kill": http.StatusConflict, "/brokers/8/kill": http.StatusNotFound, "/brokers/2/x": http.StatusNotFound} {
		var failed struct{ Error string }
		if status := ask(http.MethodPost, target, &failed); status != want || failed.Error == "" {
			t.Errorf("%s: status %d, %+v", target, status, failed)
		}
	}
}

func TestBrokers_BadgeAndWhatItMeans(t *testing.T) {
	c, _ := newBrokersConsole(t)
	has(t, c.page("/brokers", http.StatusOK).Find("a.badge.warn[href='/durability']"), "not power-safe")
	has(t, c.page("/topics", http.StatusOK).Find("h1"), "not power-safe")
	has(t, c.page("/durability", http.StatusOK).Find("tr:has(.badge.info)"), "os", "in use here")
	c.server.Durability = "group"
	if c.page("/topics", http.StatusOK).Find("h1 .badge").Length() != 0 {
		t.Error("a badge on what is safe")
	}
}

func TestForesee_WhatBecomesOfAPartition(t *testing.T) {
	for name, c := range map[string]struct {
		p     kafka.Partition
		least int
		want  page.BrokerActModel
	}{
		"another takes over":    {kafka.Partition{Leader: 1, Replicas: []int32{1, 2, 3}, ISR: []int32{1, 2, 3}}, 2, page.BrokerActModel{ID: 1, Leads: 1}},
		"only copy":             {kafka.Partition{Leader: 1, Replicas: []int32{1}, ISR: []int32{1}}, 1, page.BrokerActModel{ID: 1, Leads: 1, Leaderless: []page.PartitionRef{{Name: "t-0", Href: "/topics/t", Why: "its only copy is here"}}}},
		"others out of sync":    {kafka.Partition{Leader: 1, Replicas: []int32{1, 2}, ISR: []int32{1}}, 1, page.BrokerActModel{ID: 1, Leads: 1, Leaderless: []page.PartitionRef{{Name: "t-0", Href: "/topics/t", Why: "no other copy is in sync"}}}},
		"below min.insync":      {kafka.Partition{Leader: 2, Replicas: []int32{1, 2}, ISR: []int32{2, 1}}, 2, page.BrokerActModel{ID: 1, BelowMin: []page.PartitionRef{{Name: "t-0", Href: "/topics/t", Why: "1 in sync, min.insync.replicas is 2"}}}},
		"below before already":  {kafka.Partition{Leader: 2, Replicas: []int32{1, 2, 3}, ISR: []int32{2, 1}}, 3, page.BrokerActModel{ID: 1}},
		"not in sync anyway":    {kafka.Partition{Leader: 2, Replicas: []int32{1, 2}, ISR: []int32{2}}, 1, page.BrokerActModel{ID: 1}},
		"nothing of it is here": {kafka.Partition{Leader: 2, Replicas: []int32{2, 3}, ISR: []int32{2, 3}}, 2, page.BrokerActModel{ID: 1}},
	} {
		m := page.BrokerActModel{ID: 1}
		foreseePartition(&m, kafka.Topic{Name: "t"}, c.p, c.least)
		if diff := cmp.Diff(c.want, m); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestForesee_Quorum(t *testing.T) {
	q := kafka.Quorum{Voters: []kafka.QuorumReplica{{ID: 1}, {ID: 2}, {ID: 3}}}
	for name, c := range map[string]struct {
		here []int32
		id   int32
		want bool
	}{
		"two are left":         {[]int32{1, 2, 3}, 1, false},
		"one is left":          {[]int32{1, 2}, 1, true},
		"an observer":          {[]int32{1, 2, 4}, 4, false},
		"an observer, one off": {[]int32{1, 4}, 4, false},
	} {
		var m kafka.Metadata
		for _, id := range c.here {
			m.Brokers = append(m.Brokers, kafka.Broker{ID: id})
		}
		if got := losesQuorum(q, m, c.id); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	one := kafka.Quorum{Voters: []kafka.QuorumReplica{{ID: 1}}}
	if !losesQuorum(one, kafka.Metadata{Brokers: []kafka.Broker{{ID: 1}}}, 1) {
		t.Error("the only voter goes and the quorum stays")
	}
}

func TestSkew_IsSaidWhereItIsLarge(t *testing.T) {
	rows := []page.BrokerRow{{Leaders: 12}, {Leaders: 8}, {Leaders: 10}}
	skew(rows, func(r *page.BrokerRow) (int, *string) { return r.Leaders, &r.LeaderSkew })
	if got := []string{rows[0].LeaderSkew, rows[1].LeaderSkew, rows[2].LeaderSkew}; !cmp.Equal(got, []string{"+20 %", "−20 %", ""}) {
		t.Errorf("skew %q", strings.Join(got, ", "))
	}
}
