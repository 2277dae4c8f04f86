package server

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/static"
)

// route is one row of the table. What changes something is never a GET.
type route struct {
	method, path string
	name         string
	handler      echo.HandlerFunc
}

// Paths that middleware treats apart.
const (
	pathLive    = "/live"
	pathProduce = "/topics/:topic/produce"
)

// table is every route of the console.
func (s *Server) table() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{get, "/", "overview", s.overview},
		{get, pathLive, "live", s.liveStream},
		{get, "/live/snapshot", "live-snapshot", s.liveSnapshot},
		{get, "/live/history", "live-history", s.liveHistory},

		{post, "/theme", "theme", s.setTheme},
		{post, "/demo/start", "demo-start", s.demoStart},
		{post, "/demo/stop", "demo-stop", s.demoStop},

		{get, static.Prefix + "*", "static", echo.WrapHandler(s.files)},
		{get, "/healthz", "health", s.healthz},
		{get, "/readyz", "ready", s.readyz},
	}
}
