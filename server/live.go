package server

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/live"
)

// liveStream is the one event stream of a tab. The query says what the tab
// shows: view (see live.ViewCluster), tail (a topic whose new records are
// wanted), latest=1 (the sample of the newest records of all topics) and after
// (the newest state event that the tab has seen).
func (s *Server) liveStream(c echo.Context) error {
	o := live.StreamOptions{
		View:   c.QueryParam("view"),
		Tail:   c.QueryParam("tail"),
		Latest: c.QueryParam("latest") == "1",
	}
	if after, err := strconv.ParseUint(c.QueryParam("after"), 10, 63); err == nil {
		o.After = after // anything else is as good as none: a reader that comes back is never refused
	}
	err := s.Live.Stream(c.Response(), c.Request(), o)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, live.ErrTooManyStreams):
		s.Logger.Warn("a live stream was refused", slog.Any("error", err))
		c.Response().Header().Set("Retry-After", "10")
		return c.String(http.StatusServiceUnavailable, "Too many live pages are open on this console. Close some and reload.\n")
	case errors.Is(err, live.ErrClosed):
		return c.String(http.StatusServiceUnavailable, "The console is shutting down.\n")
	}
	return c.String(http.StatusBadRequest, err.Error()+"\n")
}

// liveSnapshot is the picture as it is now, as the stream's hello has it.
func (s *Server) liveSnapshot(c echo.Context) error {
	view := c.QueryParam("view")
	if view == "" {
		view = live.ViewCluster
	}
	m, err := s.Live.Snapshot(view)
	if err != nil {
		return c.String(http.StatusBadRequest, err.Error()+"\n")
	}
	return c.JSON(http.StatusOK, m)
}

// liveHistory is what fills the graphs when a page opens.
func (s *Server) liveHistory(c echo.Context) error {
	return c.JSON(http.StatusOK, s.Live.History())
}
