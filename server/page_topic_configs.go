package server

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// topicConfigs is a topic's tab with its settings; ?edit=NAME opens one.
func (s *Server) topicConfigs(c echo.Context) error {
	return s.showTopicConfigs(c, http.StatusOK, page.SettingsModel{Edit: c.QueryParam("edit")})
}

// changeTopicConfig sets or resets one setting.
func (s *Server) changeTopicConfig(c echo.Context) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	name, value := c.FormValue("name"), strings.TrimSpace(c.FormValue("value"))
	back := link.Topic(t.Name, "configs")
	switch c.FormValue("action") {
	case "reset":
		if err := s.Cluster.ResetTopicSetting(ctx, t.Name, name); err != nil {
			return redirect(c, back, "bad", name+" was not reset: "+err.Error())
		}
		return redirect(c, back, "ok", name+" has its default again.")
	case "set":
		if err := s.Cluster.SetTopicSetting(ctx, t.Name, name, value); err != nil {
			return s.showTopicConfigs(c, http.StatusUnprocessableEntity, page.SettingsModel{Edit: name, Value: value, Problem: err.Error()})
		}
		return redirect(c, back, "ok", name+" is set to "+value+".")
	}
	return &problem{status: http.StatusBadRequest, title: "The form cannot be read", text: "It asks neither to set nor to reset."}
}

func (s *Server) showTopicConfigs(c echo.Context, status int, m page.SettingsModel) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	m.Head, m.Action = topicHead(t, "configs"), link.Topic(t.Name, "configs")
	m.Search, m.OwnOnly = c.QueryParam("q"), c.QueryParam("own") == "1"
	caps, err := s.Cluster.Capabilities(ctx)
	if err == nil {
		m.ReadOnly = caps.Why(kafka.FeatureAlterConfigs)
	}
	settings, err := s.Cluster.TopicSettings(ctx, t.Name)
	if err != nil {
		m.Failure = err.Error()
	}
	m.Stray = m.Problem
	for _, x := range settings {
		if m.Edit == x.Name {
			m.Stray = ""
		}
		if x.Own {
			m.Own++
		}
		if m.OwnOnly && !x.Own || !strings.Contains(x.Name, strings.ToLower(m.Search)) {
			continue
		}
		row := settingRow(x)
		row.EditHref = link.With(m.Action, "edit", x.Name) + "#setting-" + x.Name
		m.Rows = append(m.Rows, row)
		if m.Edit == x.Name && m.Problem == "" {
			m.Value = x.Value
		}
	}
	return s.render(c, status, topicPage(t), page.Settings(m))
}

func settingRow(x kafka.Setting) page.SettingRow {
	return page.SettingRow{
		Name: x.Name, Value: x.Value, Words: valueWords(x.Name, x.Value), Default: x.Default, HasDefault: x.HasOther && !x.Sensitive,
		Source: x.Source, Doc: x.Doc, Own: x.Own, ReadOnly: x.ReadOnly, Null: x.Null, Sensitive: x.Sensitive,
	}
}

// valueWords returns a value in units that people think in, "" if it is as
// readable as it is.
func valueWords(name, value string) string {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return ""
	}
	switch {
	case n == 9223372036854775807 || n == 18446744073709551:
		return "no limit"
	case n == -1 && (strings.HasSuffix(name, ".ms") || strings.HasSuffix(name, ".bytes")):
		return "no limit"
	case strings.HasSuffix(name, ".ms") && n >= 1000:
		return ui.Millis(n)
	case strings.HasSuffix(name, ".bytes") && n >= 1024:
		return ui.Bytes(n)
	}
	return ""
}
