package server

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// topics is the list of topics.
func (s *Server) topics(c echo.Context) error {
	ctx := c.Request().Context()
	l := listOf(c, "/topics", "name", "partitions", "rf", "insync", "messages", "size")
	m := page.TopicsModel{
		Search: c.QueryParam("q"), Internal: c.QueryParam("internal") == "1", Groups: c.QueryParam("groups") == "1",
		Refresh: l.with("groups", "1"), Durability: s.durability(),
	}
	l.query.Del("groups") // the next page comes without the lags first, too
	if c.QueryParam("sort") != "" {
		m.Sort, m.Dir = l.sort, l.dir()
	}
	m.Heads = []ui.Sort{
		l.head("name", "Name", "", false), l.head("partitions", "Partitions", "", true),
		l.head("rf", "RF", "Replication factor: copies of each partition", true),
		l.head("insync", "In sync", "Replicas that have all that their leader has", true),
		l.head("messages", "Messages", "End offsets minus start offsets: at most so many", true),
		l.head("size", "Size", "On disk, all replicas", true),
	}
	meta, err := s.Cluster.Metadata(ctx)
	if err != nil {
		m.Failure = err.Error()
		return s.page(c, layout.Model{Title: "Topics", Section: "topics"}, page.Topics(m))
	}
	found := s.findTopics(meta.Topics, &m)
	m.Matching = len(found)
	rows := s.topicRows(ctx, found, &l)
	rows, m.Pages = cut(&l, rows)
	m.Page = l.page
	m.Prev, m.Next = l.turns(m.Pages)
	s.fillTopicRows(ctx, rows, l, m.Groups)
	for _, r := range rows {
		m.Rows = append(m.Rows, r.TopicRow)
	}
	return s.page(c, layout.Model{Title: "Topics", Section: "topics"}, page.Topics(m))
}

// findTopics returns the topics that the search lets through.
func (s *Server) findTopics(all []kafka.Topic, m *page.TopicsModel) []kafka.Topic {
	var found []kafka.Topic
	for _, t := range all {
		if t.Internal && !m.Internal {
			continue
		}
		m.Total++
		if strings.Contains(strings.ToLower(t.Name), strings.ToLower(m.Search)) {
			found = append(found, t)
		}
	}
	return found
}

// topicRow is a row with the topic that it is made of.
type topicRow struct {
	page.TopicRow
	topic kafka.Topic
}

// topicRows returns the rows in the list's order. Offsets and sizes of all of
// them are asked for only where the order needs them.
func (s *Server) topicRows(ctx context.Context, topics []kafka.Topic, l *list) []topicRow {
	rows := make([]topicRow, 0, len(topics))
	for _, t := range topics {
		r := topicRow{topic: t, TopicRow: page.TopicRow{
			Name: t.Name, Href: link.Topic(t.Name), Internal: t.Internal,
			Partitions: len(t.Partitions), ReplicationFactor: t.ReplicationFactor(), Leaderless: t.Leaderless(), Under: t.UnderReplicated(),
		}}
		r.InSync, r.Replicas = t.Replicas()
		rows = append(rows, r)
	}
	switch l.sort {
	case "messages":
		s.fillMessages(ctx, rows)
	case "size":
		s.fillSizes(ctx, rows)
	}
	by := map[string]func(a, b topicRow) int{
		"name":       func(a, b topicRow) int { return cmp.Compare(a.Name, b.Name) },
		"partitions": func(a, b topicRow) int { return cmp.Compare(a.Partitions, b.Partitions) },
		"rf":         func(a, b topicRow) int { return cmp.Compare(a.ReplicationFactor, b.ReplicationFactor) },
		"insync":     func(a, b topicRow) int { return cmp.Compare(a.Replicas-a.InSync, b.Replicas-b.InSync) },
		"messages":   func(a, b topicRow) int { return cmp.Compare(a.Messages.N, b.Messages.N) },
		"size":       func(a, b topicRow) int { return cmp.Compare(a.Size.N, b.Size.N) },
	}[l.sort]
	slices.SortStableFunc(rows, func(a, b topicRow) int {
		order := by(a, b)
		if l.desc {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(a.Name, b.Name))
	})
	return rows
}

// fillTopicRows asks for what the rows of one page show besides the metadata,
// all at once.
func (s *Server) fillTopicRows(ctx context.Context, rows []topicRow, l list, groups bool) {
	var wg sync.WaitGroup
	if l.sort != "messages" {
		wg.Go(func() { s.fillMessages(ctx, rows) })
	}
	if l.sort != "size" {
		wg.Go(func() { s.fillSizes(ctx, rows) })
	}
	wg.Go(func() { s.fillCleanup(ctx, rows) })
	if groups {
		wg.Go(func() { s.fillGroups(ctx, rows) })
	}
	wg.Wait()
}

func topicsOf(rows []topicRow) []kafka.Topic {
	out := make([]kafka.Topic, 0, len(rows))
	for i := range rows { // not by value: others fill in the rest of the rows meanwhile
		out = append(out, rows[i].topic)
	}
	return out
}

func (s *Server) fillMessages(ctx context.Context, rows []topicRow) {
	topics := topicsOf(rows)
	start, end := s.Cluster.Ends(ctx, topics...)
	for i := range rows {
		rows[i].Messages = ui.Figure(kafka.Messages(rows[i].topic, start, end))
	}
}

func (s *Server) fillSizes(ctx context.Context, rows []topicRow) {
	sizes := s.Cluster.Sizes(ctx)
	for i := range rows {
		rows[i].Size = ui.Figure(sizes.Topic(rows[i].topic))
	}
}

func (s *Server) fillCleanup(ctx context.Context, rows []topicRow) {
	names := make([]string, 0, len(rows))
	for i := range rows {
		names = append(names, rows[i].Name)
	}
	all, err := s.Cluster.SomeTopicSettings(ctx, names, []string{"cleanup.policy", "retention.ms"})
	if err != nil {
		return // the cells show a dash; the topic's own page tells why
	}
	for i := range rows {
		r := &rows[i]
		r.Cleanup, _ = all[r.Name].Get("cleanup.policy")
		r.Retention, r.RetentionTitle = retention(all[r.Name])
	}
}

// retention returns the time for which a topic keeps records, for the eye and
// in full.
func retention(s kafka.Settings) (words, title string) {
	ms, ok := s.Int("retention.ms")
	if !ok {
		return "", ""
	}
	return ui.Millis(ms), ui.Count(ms) + " ms"
}

func (s *Server) fillGroups(ctx context.Context, rows []topicRow) {
	groups, err := s.Cluster.Groups(ctx)
	for i := range rows {
		r := &rows[i]
		if err != nil && len(groups) == 0 {
			r.GroupsWhy = err.Error()
		}
		r.Groups = groupChips(groups, r.Name)
	}
}

// groupChips returns the groups that read a topic.
func groupChips(groups []*kafka.Group, topic string) []page.GroupChip {
	var chips []page.GroupChip
	for _, g := range groups {
		if slices.Contains(g.Topics(), topic) {
			chips = append(chips, page.GroupChip{ID: g.ID, Href: link.Group(g.ID), Lag: ui.Figure(g.Lag(topic))})
		}
	}
	return chips
}
