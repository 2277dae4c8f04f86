package server

import (
	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/page"
)

// durability is the badge of what an acknowledgement of the embedded cluster
// waits for; of another cluster the console does not know it.
func (s *Server) durability() page.Durability { return page.Durability(s.Durability) }

// explainDurability is the page that says what the badge means.
func (s *Server) explainDurability(c echo.Context) error {
	return s.page(c, layout.Model{Title: "Durability", Section: "brokers"}, page.ExplainDurability(s.durability()))
}
