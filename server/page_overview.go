package server

import (
	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/page"
)

// overview is the first page: the cluster, alive.
func (s *Server) overview(c echo.Context) error {
	return s.page(c, layout.Model{Title: "Overview", Section: "overview"}, page.Overview())
}
