package server

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
)

func (s *Server) offeredDemo() error {
	if s.Demo == nil || !s.Demo.Offered() {
		return missing("There is no demo here", "This console was started without one.")
	}
	return nil
}

// demoStart starts the demo.
func (s *Server) demoStart(c echo.Context) error {
	if err := s.offeredDemo(); err != nil {
		return err
	}
	next := link.Local(c.FormValue("next"), "/")
	if err := s.Demo.Start(c.Request().Context()); err != nil {
		s.Logger.Warn("the demo did not start", slog.Any("error", err))
		return redirect(c, next, "bad", "The demo did not start: "+err.Error())
	}
	return redirect(c, next, "ok", "The demo is running.")
}

// demoStop stops the demo and removes what it made, once that is confirmed.
func (s *Server) demoStop(c echo.Context) error {
	if err := s.offeredDemo(); err != nil {
		return err
	}
	next := link.Local(c.FormValue("next"), "/")
	if c.FormValue("confirm") != "yes" {
		return s.render(c, http.StatusOK, layout.Model{Title: "Stop the demo"}, page.DemoStop(next))
	}
	if err := s.Demo.Stop(c.Request().Context()); err != nil {
		s.Logger.Warn("the demo did not stop", slog.Any("error", err))
		return redirect(c, next, "bad", "The demo did not stop: "+err.Error())
	}
	return redirect(c, "/", "ok", "The demo is stopped, and its topics and groups are removed.")
}
