package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/link"
)

func TestTopics_SearchSortAndPages(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(2, "orders", "payments"))
	for i := range 30 {
		if err := c.cluster.CreateTopic(t.Context(), kafka.NewTopic{Name: fmt.Sprintf("t%02d", i), Partitions: 1, ReplicationFactor: 1}); err != nil {
			t.Fatal(err)
		}
	}
	c.produce(&kgo.Record{Topic: "payments", Value: []byte("v")})
	rows := func(doc *goquery.Document) (names []string) {
		doc.Find("#topics tbody tr th a.name").Each(func(_ int, s *goquery.Selection) { names = append(names, s.Text()) })
		return names
	}
	doc := c.page("/topics", http.StatusOK)
	if got := rows(doc); len(got) != pageSize || got[0] != "orders" || got[2] != "t00" {
		t.Errorf("first page %v", got)
	}
	next, _ := doc.Find("#topics a[rel=next]").Attr("href")
	if got := rows(c.page(next, http.StatusOK)); len(got) != 7 || got[6] != "t29" {
		t.Errorf("second page %v", got)
	}
	if got := rows(c.page("/topics?page=99", http.StatusOK)); len(got) != 7 {
		t.Errorf("a page beyond the end: %v", got)
	}
	if got := rows(c.page("/topics?q=PAY", http.StatusOK)); len(got) != 1 || got[0] != "payments" {
		t.Errorf("search: %v", got)
	}
	if got := rows(c.page("/topics?sort=messages&dir=desc", http.StatusOK)); got[0] != "payments" {
		t.Errorf("by messages: %v", got)
	}
	if got := rows(c.page("/topics?sort=partitions&dir=desc&q=t0", http.StatusOK)); len(got) != 10 {
		t.Errorf("search and sort: %v", got)
	}
	for _, column := range []string{"rf", "insync", "size", "nonsense"} {
		c.page("/topics?sort="+column, http.StatusOK)
	}
	has(t, c.page("/topics?q=zzz", http.StatusOK).Find("#topics"), "No topic's name holds “zzz”", "32 topics are there")
}

func TestTopics_GroupsWithTheirLag(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	c.produce(record("orders", "a"), record("orders", "b"), record("orders", "c"))
	c.consume("billing", "w", "orders", 3)
	first := c.page("/topics", http.StatusOK).Find("#topics")
	if first.Find(".chip").Length() != 0 || !strings.HasPrefix(first.AttrOr("hx-trigger", ""), "load") {
		t.Error("the groups hold the page up")
	}
	filled := c.page(first.AttrOr("hx-get", ""), http.StatusOK).Find("#topics")
	has(t, filled.Find(".chip"), "billing", "0")
}

func record(topic, value string) *kgo.Record { return &kgo.Record{Topic: topic, Value: []byte(value)} }

func TestTopics_EmptyClusterSaysWhatToDo(t *testing.T) {
	c := newConsole(t)
	doc := c.page("/topics", http.StatusOK)
	has(t, doc.Find("#topics"), "No topics yet")
	if doc.Find(`#topics a[href="/create-topic"]`).Length() == 0 {
		t.Error("no way to create one")
	}
	has(t, c.page("/groups", http.StatusOK).Find("#groups"), "No consumer groups yet")
}

func TestCreateTopic_WordsBesideEachField(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "there"))
	good := url.Values{"name": {"orders"}, "partitions": {"3"}, "replication": {"1"}, "cleanup": {"delete"}, "retention": {"2"}, "retention-unit": {"h"}}
	for _, x := range []struct{ field, value, words string }{
		{"name", "", "A topic needs a name."},
		{"name", "a b", `" " cannot be part of a topic's name`},
		{"name", "<b>", `"<" cannot be part`},
		{"name", "..", "cannot be names of topics"},
		{"name", strings.Repeat("x", 250), "The name has 250 characters; 249 are allowed."},
		{"partitions", "0", "The number of partitions must be between 1 and 10,000."},
		{"partitions", "three", "“three” is not a whole number."},
		{"replication", "-1", "The replication factor must be between 1 and 1,000."},
		{"cleanup", "burn", "Choose one of the policies."},
		{"retention", "1.5", "“1.5” is not a whole number."},
		{"retention", "9999999999999999", "The time to retain must be between"},
	} {
		t.Run(x.field+" "+x.value, func(t *testing.T) {
			form := url.Values{}
			for k, v := range good {
				form[k] = v
			}
			form.Set(x.field, x.value)
			doc := c.post("/create-topic", form, http.StatusUnprocessableEntity)
			field := doc.Find("#" + x.field)
			has(t, doc.Find("#"+x.field+"-problem"), x.words)
			if field.AttrOr("aria-invalid", "") != "true" || !strings.Contains(field.AttrOr("aria-describedby", ""), x.field+"-problem") {
				t.Error("the field does not point to its problem")
			}
			if x.field != "name" && doc.Find("#name").AttrOr("value", "") != "orders" {
				t.Error("what was typed is lost")
			}
			if field.Is("input") && field.AttrOr("value", "") != x.value {
				t.Errorf("the field has %q", field.AttrOr("value", ""))
			}
		})
	}
	good.Set("name", "there")
	has(t, c.post("/create-topic", good, http.StatusUnprocessableEntity).Find("main"), "The topic was not created.", "TOPIC_ALREADY_EXISTS")
}

func TestTopic_FromFormToDeletion(t *testing.T) {
	c := newConsole(t)
	form := url.Values{"name": {"orders"}, "partitions": {"3"}, "replication": {"1"}, "cleanup": {"compact"}, "retention": {"2"}, "retention-unit": {"h"}}
	doc := c.post("/create-topic", form, http.StatusSeeOther)
	has(t, doc.Find("main"), "Topic orders is created.", "compact", "2 h")
	if n := doc.Find("#topic tbody tr").Length(); n != 3 {
		t.Errorf("%d partitions", n)
	}

	has(t, c.post("/topics/orders/add-partitions", url.Values{"total": {"3"}}, http.StatusUnprocessableEntity).Find("#total-problem"), "There are 3 already")
	has(t, c.post("/topics/orders/add-partitions", url.Values{"total": {""}}, http.StatusUnprocessableEntity).Find("#total-problem"), "Say how many")
	has(t, c.page("/topics/orders/add-partitions", http.StatusOK).Find("form.card"), "Keys move", "compacted")
	has(t, c.post("/topics/orders/add-partitions", url.Values{"total": {"5"}}, http.StatusSeeOther).Find("main"), "has 5 partitions now")

	c.produce(&kgo.Record{Topic: "orders", Key: []byte("k"), Value: []byte("v")})
	c.consume("billing", "w", "orders", 1)
	has(t, c.page("/topics/orders/groups", http.StatusOK).Find("#topic-groups"), "billing", "Stable")
	ask := c.page("/topics/orders/delete", http.StatusOK)
	has(t, ask.Find("form.danger-zone"), "Records", "1", "in 5 partitions", "billing")
	wrong := c.post("/topics/orders/delete", url.Values{"typed": {"Orders"}}, http.StatusUnprocessableEntity)
	has(t, wrong.Find("#typed-problem"), "This is not the topic's name.")
	has(t, c.post("/topics/orders/delete", url.Values{"typed": {"orders"}}, http.StatusSeeOther).Find("main"), "Topic orders is deleted.")
	has(t, c.page("/topics/orders", http.StatusNotFound).Find("main"), "There is no topic orders")
}

func TestConfigs_SetResetAndRefusal(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	doc := c.page("/topics/orders/configs?edit=retention.ms", http.StatusOK)
	if v := doc.Find("#value").AttrOr("value", ""); v != "604800000" {
		t.Errorf("the form begins with %q", v)
	}
	form := url.Values{"name": {"retention.ms"}, "value": {" 60000 "}, "action": {"set"}}
	doc = c.post("/topics/orders/configs", form, http.StatusSeeOther)
	has(t, doc.Find("main"), "retention.ms is set to 60000.")
	has(t, doc.Find(`[id="setting-retention.ms"]`), "60000", "1 min", "this topic", "Reset")
	has(t, c.page("/topics/orders/configs?own=1", http.StatusOK).Find("table"), "retention.ms")
	doc = c.post("/topics/orders/configs", url.Values{"name": {"retention.ms"}, "action": {"reset"}}, http.StatusSeeOther)
	has(t, doc.Find(`[id="setting-retention.ms"]`), "604800000", "7 d", "default")
	c.refuseConfigs("Not a number")
	form.Set("value", "abc")
	doc = c.post("/topics/orders/configs", form, http.StatusUnprocessableEntity)
	has(t, doc.Find("#value-problem"), "Not a number (INVALID_CONFIG)")
	if v := doc.Find("#value").AttrOr("value", ""); v != "abc" {
		t.Errorf("what was typed became %q", v)
	}
	form.Set("name", "no.such.setting")
	has(t, c.post("/topics/orders/configs", form, http.StatusUnprocessableEntity).Find("[role=alert]"), "Not a number")
	form = url.Values{"name": {"retention.ms"}, "action": {"reset"}}
	has(t, c.post("/topics/orders/configs", form, http.StatusSeeOther).Find(".notice"), "was not reset: Not a number")
	c.post("/topics/orders/configs", url.Values{"name": {"retention.ms"}, "action": {"burn"}}, http.StatusBadRequest)
	if n := c.page("/topics/orders/configs?q=zzz", http.StatusOK).Find("tbody tr").Length(); n != 0 {
		t.Errorf("%d settings are like zzz", n)
	}
}

// refuseConfigs makes the cluster refuse every change of a setting.
func (c *console) refuseConfigs(words string) {
	c.fake.ControlKey(int16(kmsg.IncrementalAlterConfigs), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		c.fake.KeepControl()
		req := kreq.(*kmsg.IncrementalAlterConfigsRequest)
		resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
		for _, r := range req.Resources {
			out := kmsg.NewIncrementalAlterConfigsResponseResource()
			out.ResourceType, out.ResourceName = r.ResourceType, r.ResourceName
			out.ErrorCode, out.ErrorMessage = kerr.InvalidConfig.Code, &words
			resp.Resources = append(resp.Resources, out)
		}
		return resp, nil, true
	})
}

func TestGroups_ListDetailAndDeletion(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(1, "orders"))
	c.produce(record("orders", "a"), record("orders", "b"))
	const id = "a/b ..%2F<i>é"
	client := c.consume(id, "worker", "orders", 2)
	c.produce(record("orders", "c"))
	doc := c.page("/groups", http.StatusOK)
	row := doc.Find("#groups tbody tr")
	has(t, row, id, "Stable", "orders", "1")
	href := row.Find("a.name").AttrOr("href", "")
	if href != link.Group(id) {
		t.Errorf("leads to %q", href)
	}
	doc = c.page(href, http.StatusOK)
	has(t, doc.Find("h1"), id)
	has(t, doc.Find("#group"), "worker", "orders", "Total lag")
	has(t, c.post(href+"/delete", url.Values{"typed": {"x"}}, http.StatusUnprocessableEntity).Find("#typed-problem"), "This is not the group's id.")
	has(t, c.post(href+"/delete", url.Values{"typed": {id}}, http.StatusUnprocessableEntity).Find("main"), "The group was not deleted.", "NON_EMPTY_GROUP")
	client.Close()
	has(t, c.post(href+"/delete", url.Values{"typed": {id}}, http.StatusSeeOther).Find("main"), "is deleted")
	c.page(href, http.StatusNotFound)
	for _, sort := range []string{"state", "members", "topics", "lag", "coordinator"} {
		c.page("/groups?sort="+sort+"&dir=desc&q=x", http.StatusOK)
	}
}

func TestBrokers_ListAndDetail(t *testing.T) {
	c := newConsole(t, kfake.SeedTopics(3, "orders"))
	doc := c.page("/brokers", http.StatusOK)
	if n := doc.Find("#brokers tbody tr").Length(); n != 3 {
		t.Errorf("%d brokers", n)
	}
	if n := doc.Find("#brokers .badge.info").Length(); n != 1 {
		t.Errorf("%d controllers", n)
	}
	doc = c.page("/brokers/1", http.StatusOK)
	has(t, doc.Find("#broker"), "orders", "In sync")
	if n := doc.Find("#broker [data-label=Role] .badge:not([title])").Length(); n != 3 {
		t.Errorf("%d roles", n)
	}
	c.page("/brokers/17", http.StatusNotFound)
	c.page("/brokers/x", http.StatusNotFound)
}

func TestConnect_ActualAddresses(t *testing.T) {
	c := newConsole(t)
	doc := c.page("/connect?topic=orders", http.StatusOK)
	all := strings.Join(c.seeds, ",")
	for _, id := range []string{"kcat", "cli", "python", "java"} {
		has(t, doc.Find("#"+id), all, "orders")
	}
	has(t, doc.Find("#kafkajs"), "'"+strings.Join(c.seeds, "', '")+"'")
	has(t, doc.Find("#go"), `"`+strings.Join(c.seeds, `", "`)+`"`)
	has(t, c.page("/connect?topic="+url.QueryEscape("$(rm -rf /)"), http.StatusOK).Find("#kcat"), "-t quickstart")
}

func TestPages_ClusterAwayIsTold(t *testing.T) {
	cluster, err := kafka.Open(kafka.Config{Seeds: []string{"127.0.0.1:1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s, err := New(Config{Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, handler: s.Handler(), server: s, cluster: cluster}
	has(t, c.page("/topics", http.StatusOK).Find("[role=alert]"), "The list of topics could not be had.", "127.0.0.1:1")
	has(t, c.page("/topics/orders", http.StatusBadGateway).Find("main"), "127.0.0.1:1", "Request id")
}
