package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// deleteTopicForm says what goes with a topic and asks for its name.
func (s *Server) deleteTopicForm(c echo.Context) error {
	return s.showDeleteTopic(c, http.StatusOK, page.DeleteTopicModel{})
}

// deleteTopic deletes a topic whose name was typed.
func (s *Server) deleteTopic(c echo.Context) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	m := page.DeleteTopicModel{Typed: c.FormValue("typed")}
	if m.Typed != t.Name {
		m.Problem = "This is not the topic's name."
		return s.showDeleteTopic(c, http.StatusUnprocessableEntity, m)
	}
	if _, why := s.mayChange(c.Request().Context(), t); why != "" {
		return s.showDeleteTopic(c, http.StatusUnprocessableEntity, m)
	}
	if err := s.Cluster.DeleteTopic(c.Request().Context(), t.Name); err != nil {
		m.Failure = err.Error()
		return s.showDeleteTopic(c, http.StatusUnprocessableEntity, m)
	}
	return redirect(c, link.To("topics"), "ok", fmt.Sprintf("Topic %s is deleted.", t.Name))
}

func (s *Server) showDeleteTopic(c echo.Context, status int, m page.DeleteTopicModel) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	m.Head, m.Partitions = topicHead(t, ""), len(t.Partitions)
	_, m.Forbidden = s.mayChange(ctx, t)
	var (
		wg     sync.WaitGroup
		groups []*kafka.Group
		failed error
	)
	wg.Go(func() {
		start, end := s.Cluster.Ends(ctx, t)
		m.Messages = ui.Figure(kafka.Messages(t, start, end))
	})
	wg.Go(func() { m.Size = ui.Figure(s.Cluster.Sizes(ctx).Topic(t)) })
	wg.Go(func() { groups, failed = s.Cluster.TopicGroups(ctx, t.Name) })
	wg.Wait()
	if failed != nil {
		m.GroupsWhy = failed.Error()
	}
	m.Groups = groupChips(groups, t.Name)
	return s.render(c, status, layout.Model{Title: "Delete " + t.Name, Section: "topics"}, page.DeleteTopic(m))
}

// addPartitionsForm shows the form that raises the number of partitions.
func (s *Server) addPartitionsForm(c echo.Context) error {
	return s.showAddPartitions(c, http.StatusOK, page.AddPartitionsModel{})
}

// addPartitions raises the number of a topic's partitions.
func (s *Server) addPartitions(c echo.Context) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	m := page.AddPartitionsModel{Total: strings.TrimSpace(c.FormValue("total"))}
	total, problem := number(m.Total, "the number of partitions", 1, maxPartition)
	switch {
	case problem != "":
		m.Problem = problem
	case m.Total == "":
		m.Problem = "Say how many partitions there shall be in all."
	case total <= int64(len(t.Partitions)):
		m.Problem = fmt.Sprintf("There are %d already; the number can only grow.", len(t.Partitions))
	}
	if m.Problem != "" {
		return s.showAddPartitions(c, http.StatusUnprocessableEntity, m)
	}
	if err := s.Cluster.AddPartitions(c.Request().Context(), t.Name, int32(total)); err != nil {
		m.Failure = err.Error()
		return s.showAddPartitions(c, http.StatusUnprocessableEntity, m)
	}
	return redirect(c, link.Topic(t.Name), "ok", fmt.Sprintf("Topic %s has %d partitions now.", t.Name, total))
}

func (s *Server) showAddPartitions(c echo.Context, status int, m page.AddPartitionsModel) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	m.Head, m.Now = topicHead(t, ""), len(t.Partitions)
	if m.Total == "" && m.Problem == "" {
		m.Total = strconv.Itoa(m.Now + 1)
	}
	m.Forbidden, _ = s.mayChange(ctx, t)
	m.Compacted = s.compacted(c, t)
	return s.render(c, status, layout.Model{Title: "Add partitions to " + t.Name, Section: "topics"}, page.AddPartitions(m))
}

// compacted tells whether a topic keeps the newest record of each key. It only
// adds a hint to a page, so an unknown answer is no.
func (s *Server) compacted(c echo.Context, t kafka.Topic) bool {
	settings, err := s.Cluster.SomeTopicSettings(c.Request().Context(), []string{t.Name}, []string{"cleanup.policy"})
	if err != nil {
		return false
	}
	policy, _ := settings[t.Name].Get("cleanup.policy")
	return strings.Contains(policy, "compact")
}
