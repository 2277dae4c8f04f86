package server

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// topicOf finds the topic that the path names.
func (s *Server) topicOf(c echo.Context) (kafka.Topic, kafka.Metadata, error) {
	name, err := param(c, "topic")
	if err != nil {
		return kafka.Topic{}, kafka.Metadata{}, err
	}
	if nameProblem(name) != "" { // the cluster would say the same, in other words
		return kafka.Topic{}, kafka.Metadata{}, missing("There is no such topic", "No topic can have this name.")
	}
	t, m, err := s.Cluster.Topic(c.Request().Context(), name)
	if errors.Is(err, kafka.ErrUnknown) {
		return t, m, missing("There is no topic "+name, "It may have been deleted.")
	}
	return t, m, err
}

// topicHead is what every tab of a topic begins with.
func topicHead(t kafka.Topic, tab string) page.TopicHead {
	h := page.TopicHead{Name: t.Name, Internal: t.Internal, Href: link.Topic(t.Name)}
	for _, x := range []struct{ tab, label string }{
		{"", "Overview"}, {"messages", "Messages"}, {"produce", "Produce"}, {"configs", "Configs"}, {"groups", "Groups"},
	} {
		href := h.Href
		if x.tab != "" {
			href = link.Topic(t.Name, x.tab)
		}
		h.Tabs = append(h.Tabs, ui.Tab{Label: x.label, Href: href, Current: x.tab == tab})
	}
	return h
}

func topicPage(t kafka.Topic) layout.Model { return layout.Model{Title: t.Name, Section: "topics"} }

// topic is a topic's first tab.
func (s *Server) topic(c echo.Context) error {
	t, meta, err := s.topicOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	m := page.TopicModel{
		Head: topicHead(t, ""), RF: t.ReplicationFactor(), Leaderless: t.Leaderless(), Refresh: link.Topic(t.Name),
		Under: t.UnderReplicated(), NotPreferred: t.NotPreferred(), Durability: s.durability(),
	}
	if t.ID != [16]byte{} {
		m.ID = base64.RawURLEncoding.EncodeToString(t.ID[:])
	}
	m.InSync, m.Replicas = t.Replicas()
	var (
		wg         sync.WaitGroup
		start, end kafka.Offsets
		sizes      kafka.Sizes
		settings   kafka.Settings
		eligible   map[int32]kafka.Eligible
		failed     error
	)
	wg.Go(func() { start, end = s.Cluster.Ends(ctx, t) })
	wg.Go(func() { sizes = s.Cluster.Sizes(ctx) })
	wg.Go(func() { settings, failed = s.Cluster.TopicSettings(ctx, t.Name) })
	wg.Go(func() {
		// Where they are not known, the column is left out.
		eligible, _ = s.Cluster.Eligible(ctx, t.Name)
	})
	wg.Wait()
	m.Messages, m.Size = ui.Figure(kafka.Messages(t, start, end)), ui.Figure(sizes.Topic(t))
	m.Cleanup, _ = settings.Get("cleanup.policy")
	m.Retention, m.RetentionTitle = retention(settings)
	if failed != nil {
		m.Problems = append(m.Problems, "Settings: "+failed.Error())
	}
	m.MayGrow, m.MayDelete = s.mayChange(ctx, t)
	if caps, err := s.Cluster.Capabilities(ctx); err == nil {
		m.MayElect = caps.Why(kafka.FeatureElectLeaders)
	}
	m.MinInSync, _ = settings.Get("min.insync.replicas")
	least, _ := settings.Int("min.insync.replicas")
	for _, p := range t.Partitions {
		row := partitionRow(t, p, meta, start, end, sizes)
		row.UnderMin = int64(len(p.ISR)) < least
		m.UnderMin += boolInt(row.UnderMin)
		for _, id := range eligible[p.ID].ELR {
			row.ELR = append(row.ELR, replicaOf(p, id, meta))
		}
		for _, id := range eligible[p.ID].LastKnown {
			row.LastELR = append(row.LastELR, replicaOf(p, id, meta))
		}
		m.ShowELR = m.ShowELR || len(row.ELR)+len(row.LastELR) > 0
		m.Partitions = append(m.Partitions, row)
	}
	return s.page(c, topicPage(t), page.Topic(m))
}

// electTopicLeaders makes a topic's preferred leaders lead again.
func (s *Server) electTopicLeaders(c echo.Context) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	return s.elected(c, link.Topic(t.Name), " of "+t.Name, t)
}

// replicaOf is one replica of a partition.
func replicaOf(p kafka.Partition, id int32, meta kafka.Metadata) ui.Replica {
	_, here, _ := meta.Broker(id)
	return ui.Replica{
		Broker: id, Place: meta.BrokerPlace(id), Leader: id == p.Leader, InSync: slices.Contains(p.ISR, id),
		Offline: !here || slices.Contains(p.Offline, id), Preferred: len(p.Replicas) > 0 && p.Replicas[0] == id,
	}
}

// mayChange says why a topic cannot grow or be deleted, "" if it can.
func (s *Server) mayChange(ctx context.Context, t kafka.Topic) (grow, remove string) {
	if t.Internal {
		const why = "This topic belongs to the cluster itself."
		return why, why
	}
	caps, err := s.Cluster.Capabilities(ctx)
	if err != nil {
		return err.Error(), err.Error()
	}
	return caps.Why(kafka.FeatureAddPartitions), caps.Why(kafka.FeatureDeleteTopics)
}

func partitionRow(t kafka.Topic, p kafka.Partition, meta kafka.Metadata, start, end kafka.Offsets, sizes kafka.Sizes) page.PartitionRow {
	key := kafka.TopicPartition{Topic: t.Name, Partition: p.ID}
	r := page.PartitionRow{
		ID: p.ID, Leader: p.Leader, Epoch: p.LeaderEpoch, InSync: len(p.ISR), Under: len(p.ISR) < len(p.Replicas),
		Preferred: len(p.Replicas) == 0 || p.Replicas[0] == p.Leader,
		Start:     offsetFigure(start[key]), End: offsetFigure(end[key]),
		Messages: ui.Figure(kafka.Messages(kafka.Topic{Name: t.Name, Partitions: []kafka.Partition{p}}, start, end)),
		Size:     ui.Figure(sizes.Partition(t.Name, p)),
		Read:     link.With(link.Topic(t.Name, "messages"), "partition", strconv.Itoa(int(p.ID))),
	}
	if p.Err != nil {
		r.Problem = p.Err.Error()
	}
	for _, id := range p.Replicas {
		replica := replicaOf(p, id, meta)
		r.Offline += boolInt(replica.Offline)
		r.Replicas = append(r.Replicas, replica)
	}
	return r
}

func offsetFigure(o kafka.Offset) ui.Figure {
	if o.Err != nil {
		return ui.Figure{Why: o.Err.Error()}
	}
	return ui.Figure{N: o.Offset}
}

// topicGroups is the tab with the groups that read a topic.
func (s *Server) topicGroups(c echo.Context) error {
	t, meta, err := s.topicOf(c)
	if err != nil {
		return err
	}
	m := page.TopicGroupsModel{Head: topicHead(t, "groups"), Refresh: link.Topic(t.Name, "groups")}
	groups, err := s.Cluster.TopicGroups(c.Request().Context(), t.Name)
	if err != nil {
		m.Failure = err.Error()
	}
	for _, g := range groups {
		m.Groups = append(m.Groups, groupRow(g, meta, t.Name))
	}
	return s.page(c, topicPage(t), page.TopicGroups(m))
}
