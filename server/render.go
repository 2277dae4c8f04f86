package server

import (
	"bytes"
	"cmp"
	"net/http"
	"sync"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/static"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxPooled keeps one huge page from holding its buffer for ever.
const maxPooled = 256 << 10

// render writes a page in its frame. It is put together in memory first, so
// that a failure half way becomes an error page and not half a page.
func (s *Server) render(c echo.Context, status int, m layout.Model, body templ.Component) error {
	s.frame(c, &m)
	buf := buffers.Get().(*bytes.Buffer)
	defer func() {
		if buf.Cap() <= maxPooled {
			buf.Reset()
			buffers.Put(buf)
		}
	}()
	ctx := templ.WithChildren(c.Request().Context(), body)
	if err := layout.Page(m).Render(ctx, buf); err != nil {
		return err
	}
	return c.HTMLBlob(status, buf.Bytes())
}

// page renders a page that was found.
func (s *Server) page(c echo.Context, m layout.Model, body templ.Component) error {
	return s.render(c, http.StatusOK, m, body)
}

// frame fills in what every page has.
func (s *Server) frame(c echo.Context, m *layout.Model) {
	r := c.Request()
	m.Theme = themeOf(r)
	m.Version = s.Version
	m.Static = s.files.URL
	m.Script = cmp.Or(m.Script, static.ScriptBase)
	m.Notices = s.Notices
	m.Flash = takeFlash(c)
	m.Here = "/"
	if r.Method == http.MethodGet {
		m.Here = link.Local(r.URL.RequestURI(), "/")
	}
	if s.Demo != nil && s.Demo.Offered() {
		m.Demo = &layout.Demo{Running: s.Demo.Running(), About: s.Demo.About()}
	}
}

// param returns the name in the path, decoded.
func param(c echo.Context, name string) (string, error) {
	v, err := link.Name(c.Param(name))
	if err != nil {
		return "", &problem{status: http.StatusBadRequest, title: "The address cannot be read", text: err.Error(), err: err}
	}
	return v, nil
}
