package server

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/page"
)

// problem is an error whose words are meant for the reader of the page.
type problem struct {
	status      int
	title, text string
	err         error
}

func (p *problem) Error() string { return p.title + ": " + p.text }
func (p *problem) Unwrap() error { return p.err }

// missing tells that what the address names is not there.
func missing(title, text string) error {
	return &problem{status: http.StatusNotFound, title: title, text: text}
}

// failed is the one place where an error becomes an answer.
func (s *Server) failed(err error, c echo.Context) {
	if c.Response().Committed {
		s.Logger.Warn("an error after the answer had begun", slog.String("id", idOf(c)), slog.Any("error", err))
		return
	}
	m := page.ErrorModel{ID: idOf(c)}
	status := http.StatusInternalServerError
	var (
		told    *problem
		cluster *kafka.Error
		http_   *echo.HTTPError
		tooBig  *http.MaxBytesError
	)
	switch {
	case errors.As(err, &tooBig):
		status, m.Title, m.Text = http.StatusRequestEntityTooLarge, "Too much at once", "The form is larger than the console accepts."
	case errors.As(err, &told):
		status, m.Title, m.Text = told.status, told.title, told.text
	case errors.As(err, &cluster):
		status, m.Title, m.Text = http.StatusBadGateway, "The cluster did not do that", cluster.Text
	case errors.As(err, &http_) && http_.Code < http.StatusInternalServerError:
		status = http_.Code
		m.Title, m.Text = statusWords(status)
	default:
		s.Logger.Error("internal error", slog.String("id", idOf(c)), slog.Any("error", err))
		m.Title, m.Text = "Something went wrong in the console", "The log has the details under the id below."
	}
	if c.Request().Method == http.MethodHead {
		_ = c.NoContent(status) // the header is all there is; a failed write has no reader
		return
	}
	if err := s.render(c, status, layout.Model{Title: m.Title}, page.Error(m)); err != nil {
		s.Logger.Error("the error page failed", slog.String("id", idOf(c)), slog.Any("error", err))
	}
}

func statusWords(status int) (title, text string) {
	switch status {
	case http.StatusNotFound:
		return "There is no such page", "The address may be mistyped, or what it showed is gone."
	case http.StatusMethodNotAllowed:
		return "Not in this way", "This address answers to another method."
	case http.StatusBadRequest:
		return "The request cannot be read", "It is not what this address expects."
	}
	return http.StatusText(status), "The console cannot answer this request."
}
