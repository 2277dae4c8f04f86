package server

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/page"
)

// What the form shows is what is made.
func TestCreateTopic_ThePlanIsShownAndKept(t *testing.T) {
	c := newConsole(t)
	doc := c.post("/create-topic/plan", url.Values{"name": {"planned"}, "partitions": {"4"}, "replication": {"2"}, "retention-unit": {"d"}}, http.StatusOK)
	if name, _ := doc.Find("#name").Attr("value"); name != "planned" {
		t.Errorf("the form forgot the name: %q", name)
	}
	if n := doc.Find("#plan .plan-grid > div").Length(); n != 4 {
		t.Fatalf("%d partitions in the plan", n)
	}
	has(t, doc.Find("#plan"), "Each broker leads 1 to 2.")
	text, _ := doc.Find("#plan input[name=plan]").Attr("value")
	want := readPlan(text, kafka.NewTopic{Partitions: 4, ReplicationFactor: 2})
	if want == nil {
		t.Fatalf("the form carries %q", text)
	}
	var got kafka.Plan // kfake places partitions as it likes: what was asked for is compared
	c.fake.ControlKey(kmsg.CreateTopics.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		for _, a := range req.(*kmsg.CreateTopicsRequest).Topics[0].ReplicaAssignment {
			got = append(got, a.Replicas)
		}
		return nil, nil, false
	})
	c.post("/create-topic", url.Values{"name": {"planned"}, "partitions": {"4"}, "replication": {"2"}, "retention-unit": {"d"}, "plan": {text}}, http.StatusSeeOther)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("planned and made: %s", diff)
	}
}

func TestCreateTopic_PlanSaysWhatIsRisky(t *testing.T) {
	c := newConsole(t)
	for form, want := range map[string]string{
		"partitions=1&replication=1":              "There is one copy of each partition",
		"partitions=1&replication=3&min-insync=3": "Every copy has to be in sync",
		"partitions=1&replication=9":              "9 copies need as many brokers, and 3 brokers are there.",
		"partitions=x&replication=2":              "It shows once the numbers",
		"partitions=5000&replication=2":           "Beyond 1,000 partitions",
	} {
		values, err := url.ParseQuery(form)
		if err != nil {
			t.Fatal(err)
		}
		has(t, c.post("/create-topic/plan", values, http.StatusOK).Find("#plan"), want)
	}
	doc := c.post("/create-topic", url.Values{"name": {"x"}, "replication": {"2"}, "min-insync": {"3"}, "retention-unit": {"d"}}, http.StatusUnprocessableEntity)
	has(t, doc.Find("#min-insync-problem"), "only 2 copies")
}

func TestReadPlan_WhatDoesNotFitIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		t    kafka.NewTopic
		want kafka.Plan
	}{
		"as written":      {writePlan(kafka.Plan{{1, 2}, {2, 3}}), kafka.NewTopic{Partitions: 2, ReplicationFactor: 2}, kafka.Plan{{1, 2}, {2, 3}}},
		"defaults":        {"1,2", kafka.NewTopic{Partitions: -1, ReplicationFactor: -1}, kafka.Plan{{1, 2}}},
		"other partition": {"1,2;2,3", kafka.NewTopic{Partitions: 3, ReplicationFactor: 2}, nil},
		"other factor":    {"1,2;2,3", kafka.NewTopic{Partitions: 2, ReplicationFactor: 3}, nil},
		"uneven":          {"1,2;2", kafka.NewTopic{Partitions: -1, ReplicationFactor: -1}, nil},
		"twice":           {"1,1", kafka.NewTopic{Partitions: -1, ReplicationFactor: -1}, nil},
		"no number":       {"1,a", kafka.NewTopic{Partitions: -1, ReplicationFactor: -1}, nil},
		"nothing":         {"", kafka.NewTopic{}, nil},
	} {
		if diff := cmp.Diff(c.want, readPlan(c.text, c.t)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSpanOf_BrokersWithoutAny(t *testing.T) {
	m := kafka.Metadata{Brokers: []kafka.Broker{{ID: 1}, {ID: 2}}}
	if got := spanOf(m, map[int32]int{1: 3}); got != "0 to 3" {
		t.Errorf("%q", got)
	}
	if got := planModel(m, page.CreateTopicModel{DefaultPartitions: "2", DefaultReplication: "3"}); len(got.Rows) != 2 || len(got.Rows[0].Replicas) != 2 {
		t.Errorf("the default of three copies on two brokers: %+v", got)
	}
}
