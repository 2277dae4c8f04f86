package server

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// groups is the list of consumer groups.
func (s *Server) groups(c echo.Context) error {
	ctx := c.Request().Context()
	l := listOf(c, "/groups", "id", "state", "members", "topics", "lag", "coordinator")
	m := page.GroupsModel{Search: c.QueryParam("q"), Refresh: here(c)}
	if c.QueryParam("sort") != "" {
		m.Sort, m.Dir = l.sort, l.dir()
	}
	m.Heads = []ui.Sort{
		l.head("id", "Group id", "", false), l.head("state", "State", "", false), l.head("members", "Members", "", true),
		l.head("topics", "Topics", "", false), l.head("lag", "Lag", "Records between the committed offsets and the ends", true),
		l.head("coordinator", "Coordinator", "The broker that runs the group", false),
	}
	all, err := s.Cluster.Groups(ctx)
	if err != nil {
		m.Failure = err.Error()
	}
	meta, err := s.Cluster.Metadata(ctx)
	if err != nil && m.Failure == "" {
		m.Failure = err.Error()
	}
	rows := make([]page.GroupRow, 0, len(all))
	for _, g := range all {
		if strings.Contains(strings.ToLower(g.ID), strings.ToLower(m.Search)) {
			rows = append(rows, groupRow(g, meta, ""))
		}
	}
	m.Total, m.Matching = len(all), len(rows)
	sortGroups(rows, l)
	m.Rows, m.Pages = cut(&l, rows)
	m.Page = l.page
	m.Prev, m.Next = l.turns(m.Pages)
	return s.page(c, layout.Model{Title: "Consumer groups", Section: "groups"}, page.Groups(m))
}

func sortGroups(rows []page.GroupRow, l list) {
	by := map[string]func(a, b page.GroupRow) int{
		"id":          func(a, b page.GroupRow) int { return cmp.Compare(a.ID, b.ID) },
		"state":       func(a, b page.GroupRow) int { return cmp.Compare(a.State, b.State) },
		"members":     func(a, b page.GroupRow) int { return cmp.Compare(a.Members, b.Members) },
		"topics":      func(a, b page.GroupRow) int { return slices.Compare(a.Topics, b.Topics) },
		"lag":         func(a, b page.GroupRow) int { return cmp.Compare(a.Lag.N, b.Lag.N) },
		"coordinator": func(a, b page.GroupRow) int { return cmp.Compare(a.Coordinator, b.Coordinator) },
	}[l.sort]
	slices.SortStableFunc(rows, func(a, b page.GroupRow) int {
		order := by(a, b)
		if l.desc {
			order = -order
		}
		return cmp.Or(order, cmp.Compare(a.ID, b.ID))
	})
}

// groupRow is a group in a list; its lag is that in one topic, "" for all.
func groupRow(g *kafka.Group, meta kafka.Metadata, topic string) page.GroupRow {
	r := page.GroupRow{
		ID: g.ID, Href: link.Group(g.ID), State: g.State, Type: g.Type, Coordinator: g.Coordinator,
		Place: meta.BrokerPlace(g.Coordinator), Members: len(g.Members), Topics: g.Topics(), Lag: ui.Figure(g.Lag(topic)),
	}
	if g.Err != nil {
		r.Problem = g.Err.Error()
	}
	return r
}

// groupOf finds the group that the path names.
func (s *Server) groupOf(c echo.Context) (*kafka.Group, error) {
	id, err := param(c, "group")
	if err != nil {
		return nil, err
	}
	g, err := s.Cluster.Group(c.Request().Context(), id)
	if errors.Is(err, kafka.ErrUnknown) {
		return nil, missing("There is no such group", "It may have been deleted, or its offsets have expired.")
	}
	return g, err
}

// group is the page of one consumer group.
func (s *Server) group(c echo.Context) error {
	g, err := s.groupOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	m := page.GroupModel{
		ID: g.ID, Href: link.Group(g.ID), State: g.State, Type: g.Type, Protocol: g.Protocol, Coordinator: g.Coordinator,
		Lag: ui.Figure(g.Lag("")), Uncommitted: g.Uncommitted(""), Topics: groupTopics(g), Refresh: link.Group(g.ID),
	}
	if g.Err != nil {
		m.Problem = g.Err.Error()
	}
	for i := range g.Members {
		row := memberRow(&g.Members[i])
		m.Members = append(m.Members, row)
		m.Assigned += row.Partitions
	}
	if caps, err := s.Cluster.Capabilities(ctx); err == nil {
		m.MayDelete = caps.Why(kafka.FeatureDeleteGroups)
	}
	if m.MayDelete == "" && len(g.Members) > 0 {
		m.MayDelete = "Possible once it has no members."
	}
	return s.page(c, layout.Model{Title: g.ID, Section: "groups"}, page.Group(m))
}

func memberRow(mem *kafka.Member) page.MemberRow {
	row := page.MemberRow{ID: mem.ID, Instance: mem.InstanceID, Client: mem.ClientID, Host: mem.Host, Partitions: len(mem.Assigned)}
	for i := 0; i < len(mem.Assigned); {
		topic, ids := mem.Assigned[i].Topic, []int32(nil)
		for ; i < len(mem.Assigned) && mem.Assigned[i].Topic == topic; i++ {
			ids = append(ids, mem.Assigned[i].Partition)
		}
		row.Assigned = append(row.Assigned, page.GroupTopicPartitions{Topic: topic, Href: link.Topic(topic), Partitions: ranges(ids)})
	}
	return row
}

// ranges writes sorted numbers briefly: 0–3, 7.
func ranges(ids []int32) string {
	var b strings.Builder
	for i := 0; i < len(ids); {
		j := i
		for j+1 < len(ids) && ids[j+1] == ids[j]+1 {
			j++
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(int(ids[i])))
		if j > i {
			b.WriteString("–" + strconv.Itoa(int(ids[j])))
		}
		i = j + 1
	}
	return b.String()
}

// groupTopics shows where a group stands, by topic.
func groupTopics(g *kafka.Group) []page.GroupTopic {
	var out []page.GroupTopic
	for _, p := range g.Partitions {
		if len(out) == 0 || out[len(out)-1].Topic != p.Topic {
			out = append(out, page.GroupTopic{Topic: p.Topic, Href: link.Topic(p.Topic), Lag: ui.Figure(g.Lag(p.Topic)), Uncommitted: g.Uncommitted(p.Topic)})
		}
		t := &out[len(out)-1]
		row := page.GroupPartitionRow{Partition: p.Partition, End: offsetFigure(p.End), Lag: ui.Figure(p.Lag())}
		row.Committed = ui.Figure{N: p.Committed}
		if p.Committed < 0 {
			row.Committed.Why = "The group has committed no offset for this partition."
		}
		if p.Member != nil {
			row.Member, row.Host, row.Client = p.Member.ID, p.Member.Host, p.Member.ClientID
		}
		t.Partitions = append(t.Partitions, row)
	}
	for i := range out {
		share(out[i].Partitions)
	}
	return out
}

// share says how long the bar of each partition's lag is, in tenths of the
// longest.
func share(rows []page.GroupPartitionRow) {
	var most int64
	for _, r := range rows {
		most = max(most, r.Lag.N)
	}
	for i := range rows {
		if most > 0 {
			rows[i].Share = int((rows[i].Lag.N*10 + most - 1) / most)
		}
	}
}

// deleteGroupForm says what goes with a group and asks for its id.
func (s *Server) deleteGroupForm(c echo.Context) error {
	return s.showDeleteGroup(c, http.StatusOK, page.DeleteGroupModel{})
}

// deleteGroup deletes a group whose id was typed.
func (s *Server) deleteGroup(c echo.Context) error {
	g, err := s.groupOf(c)
	if err != nil {
		return err
	}
	m := page.DeleteGroupModel{Typed: c.FormValue("typed")}
	if m.Typed != g.ID {
		m.Problem = "This is not the group's id."
		return s.showDeleteGroup(c, http.StatusUnprocessableEntity, m)
	}
	if err := s.Cluster.DeleteGroup(c.Request().Context(), g.ID); err != nil {
		m.Failure = err.Error()
		return s.showDeleteGroup(c, http.StatusUnprocessableEntity, m)
	}
	return redirect(c, link.To("groups"), "ok", "Group "+g.ID+" is deleted.")
}

func (s *Server) showDeleteGroup(c echo.Context, status int, m page.DeleteGroupModel) error {
	g, err := s.groupOf(c)
	if err != nil {
		return err
	}
	m.ID, m.Href, m.State, m.Members, m.Topics = g.ID, link.Group(g.ID), g.State, len(g.Members), groupTopics(g)
	return s.render(c, status, layout.Model{Title: "Delete " + g.ID, Section: "groups"}, page.DeleteGroup(m))
}
