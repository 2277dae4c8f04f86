package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// Limits of a new topic, as Kafka has them.
const (
	maxTopicName = 249
	maxPartition = 10_000
)

// createTopicForm shows the empty form.
func (s *Server) createTopicForm(c echo.Context) error {
	return s.showCreateTopic(c, http.StatusOK, page.CreateTopicModel{Name: c.QueryParam("name"), RetentionUnit: "d"})
}

// formOfTopic reads the form.
func formOfTopic(c echo.Context) page.CreateTopicModel {
	return page.CreateTopicModel{
		Name: strings.TrimSpace(c.FormValue("name")), Partitions: strings.TrimSpace(c.FormValue("partitions")),
		ReplicationFactor: strings.TrimSpace(c.FormValue("replication")), MinInSync: strings.TrimSpace(c.FormValue("min-insync")),
		Cleanup: c.FormValue("cleanup"), Retention: strings.TrimSpace(c.FormValue("retention")), RetentionUnit: c.FormValue("retention-unit"),
	}
}

// planTopic shows the form with the places of the partitions worked out.
func (s *Server) planTopic(c echo.Context) error {
	return s.showCreateTopic(c, http.StatusOK, formOfTopic(c))
}

// createTopic creates a topic, or shows the form again with what is wrong.
func (s *Server) createTopic(c echo.Context) error {
	m := formOfTopic(c)
	topic, problems := newTopic(m)
	if len(problems) > 0 {
		m.Problems = problems
		return s.showCreateTopic(c, http.StatusUnprocessableEntity, m)
	}
	topic.Plan = readPlan(c.FormValue("plan"), topic)
	if err := s.Cluster.CreateTopic(c.Request().Context(), topic); err != nil {
		m.Failure = err.Error()
		return s.showCreateTopic(c, http.StatusUnprocessableEntity, m)
	}
	return redirect(c, link.Topic(topic.Name), "ok", fmt.Sprintf("Topic %s is created.", topic.Name))
}

func (s *Server) showCreateTopic(c echo.Context, status int, m page.CreateTopicModel) error {
	s.fillTopicDefaults(c.Request().Context(), &m)
	return s.render(c, status, layout.Model{Title: "Create topic", Section: "topics"}, page.CreateTopic(m))
}

// fillTopicDefaults finds out what the cluster does where the form is empty, and
// where it would put the partitions. It is only told; if the cluster does not
// say, nothing is lost but the hint.
func (s *Server) fillTopicDefaults(ctx context.Context, m *page.CreateTopicModel) {
	meta, err := s.Cluster.Metadata(ctx)
	if err != nil {
		m.Plan.Why = err.Error()
		return
	}
	defer func() { m.Plan = planModel(meta, *m) }()
	if m.Brokers = len(meta.Brokers); m.Brokers == 0 {
		return
	}
	settings, err := s.Cluster.BrokerSettings(ctx, meta.Brokers[0].ID)
	if err != nil {
		return
	}
	m.DefaultPartitions, _ = settings.Get("num.partitions")
	m.DefaultReplication, _ = settings.Get("default.replication.factor")
	m.DefaultMinInSync, _ = settings.Get("min.insync.replicas")
	m.DefaultCleanup, _ = settings.Get("log.cleanup.policy")
	for _, name := range []struct {
		setting string
		ms      int64
	}{{"log.retention.ms", 1}, {"log.retention.minutes", 60_000}, {"log.retention.hours", 3_600_000}} {
		if n, ok := settings.Int(name.setting); ok {
			if n > 0 {
				n *= name.ms
			}
			m.DefaultRetention = ui.Millis(n)
			break
		}
	}
}

// newTopic checks the form. The problems are by field, in words.
func newTopic(m page.CreateTopicModel) (kafka.NewTopic, map[string]string) {
	t := kafka.NewTopic{Name: m.Name, Partitions: -1, ReplicationFactor: -1, Settings: make(map[string]string)}
	problems := make(map[string]string)
	note := func(field, problem string) {
		if problem != "" {
			problems[field] = problem
		}
	}
	note("name", nameProblem(m.Name))
	n, problem := number(m.Partitions, "the number of partitions", 1, maxPartition)
	note("partitions", problem)
	if m.Partitions != "" {
		t.Partitions = int32(n)
	}
	n, problem = number(m.ReplicationFactor, "the replication factor", 1, 1000)
	if problem == "" && m.Brokers > 0 && n > int64(m.Brokers) {
		problem = fmt.Sprintf("There are only %d brokers, and each copy needs a broker of its own.", m.Brokers)
	}
	note("replication", problem)
	if m.ReplicationFactor != "" {
		t.ReplicationFactor = int16(n)
	}
	n, problem = number(m.MinInSync, "the number of in-sync replicas", 1, 1000)
	if problem == "" && m.MinInSync != "" && t.ReplicationFactor > 0 && n > int64(t.ReplicationFactor) {
		problem = fmt.Sprintf("There would be only %d copies: with acks=all nothing could ever be written.", t.ReplicationFactor)
	}
	note("min-insync", problem)
	if m.MinInSync != "" {
		t.Settings["min.insync.replicas"] = m.MinInSync
	}
	switch m.Cleanup {
	case "":
	case "delete", "compact", "compact,delete":
		t.Settings["cleanup.policy"] = m.Cleanup
	default:
		note("cleanup", "Choose one of the policies.")
	}
	ms, problem := retentionOf(m.Retention, m.RetentionUnit)
	note("retention", problem)
	if ms != "" {
		t.Settings["retention.ms"] = ms
	}
	return t, problems
}

// nameProblem says what is wrong with a topic's name, "" if nothing is.
func nameProblem(name string) string {
	switch {
	case name == "":
		return "A topic needs a name."
	case name == "." || name == "..":
		return "“.” and “..” cannot be names of topics."
	case len(name) > maxTopicName:
		return fmt.Sprintf("The name has %d characters; %d are allowed.", len([]rune(name)), maxTopicName)
	}
	for _, r := range name {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-') {
			return fmt.Sprintf("%q cannot be part of a topic's name: only letters a to z, digits, dot, underscore and hyphen can.", string(r))
		}
	}
	return ""
}

// number reads a whole number between least and most; an empty field is none.
func number(text, what string, least, most int64) (n int64, problem string) {
	if text == "" {
		return 0, ""
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Sprintf("“%s” is not a whole number.", text)
	}
	if n < least || n > most {
		return 0, fmt.Sprintf("%s must be between %s and %s.", strings.ToUpper(what[:1])+what[1:], ui.Count(least), ui.Count(most))
	}
	return n, ""
}

// units are the milliseconds of each unit of the form.
var units = map[string]int64{"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}

// retentionOf returns retention.ms as the form says it, "" for the default.
func retentionOf(text, unit string) (ms, problem string) {
	if unit == "infinite" {
		return "-1", ""
	}
	factor, ok := units[unit]
	if !ok {
		return "", "Choose a unit."
	}
	if text == "" {
		return "", ""
	}
	const most = 1 << 62
	n, problem := number(text, "the time to retain", 0, most/factor)
	if problem != "" {
		return "", problem
	}
	return strconv.FormatInt(n*factor, 10), ""
}
