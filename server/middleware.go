package server

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// policy lets a page use what the console itself serves, and nothing else: no
// inline script, no inline style, no frame, no form to elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// protect is the outermost layer. It answers for every route, known or not:
// headers first, then the Host, then where the request comes from.
func (s *Server) protect(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.deny(w, r, http.StatusForbidden, "This request came from another site. Open the console itself and try again.")
	}))
	guarded := origin.Handler(next)
	allowed := hostCheck(s.AllowedHosts)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !allowed(r.Host) {
			s.deny(w, r, http.StatusMisdirectedRequest,
				"This console does not answer to that name. Call it by localhost, or allow the name in its configuration.")
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// deny answers a request that never reaches a page, in plain words.
func (s *Server) deny(w http.ResponseWriter, r *http.Request, status int, text string) {
	s.Logger.Warn("request denied", slog.Int("status", status), slog.String("method", r.Method),
		slog.String("host", clip(r.Host)), slog.String("origin", clip(r.Header.Get("Origin"))), slog.String("path", clip(r.URL.EscapedPath())))
	http.Error(w, text, status)
}

// hostCheck returns a test of a request's Host. Names outside the list are
// refused because a page elsewhere can point its own name at this address (DNS
// rebinding) and would then read the console as its own origin.
func hostCheck(configured []string) func(string) bool {
	names := []string{"localhost"}
	for _, name := range configured {
		names = append(names, strings.ToLower(strings.Trim(name, "[]")))
	}
	return func(host string) bool {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
			return true
		}
		return slices.Contains(names, host)
	}
}

// escapedPath makes the router see the path as it was sent, so that a name with
// a slash in it stays one part of the path.
func escapedPath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		u.RawPath = u.EscapedPath()
		return next(c)
	}
}

// logged writes one line for each request. Names from outside are quoted and
// clipped by the log's handler and by clip.
func (s *Server) logged(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := time.Now()
		id := rand.Text()[:10]
		c.Set(requestID, id)
		c.Response().Header().Set("X-Request-Id", id)
		if err := next(c); err != nil {
			c.Error(err)
		}
		level := slog.LevelDebug
		if c.Response().Status >= http.StatusInternalServerError {
			level = slog.LevelError
		}
		r := c.Request()
		s.Logger.LogAttrs(r.Context(), level, "request",
			slog.String("id", id), slog.String("method", r.Method), slog.String("path", clip(r.URL.EscapedPath())),
			slog.Int("status", c.Response().Status), slog.Duration("took", time.Since(start)), slog.Int64("bytes", c.Response().Size))
		return nil
	}
}

const requestID = "request id"

func idOf(c echo.Context) string {
	id, _ := c.Get(requestID).(string)
	return id
}

// recovered turns a panic into an error page; the stack goes to the log alone.
func (s *Server) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the net/http contract compares it by identity
				panic(p)
			}
			s.Logger.Error("panic", slog.String("id", idOf(c)), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic: %v", p)
		}()
		return next(c)
	}
}

// compressed packs pages and static files, and never the event stream, whose
// events would wait in the packer.
func compressed() echo.MiddlewareFunc {
	return middleware.GzipWithConfig(middleware.GzipConfig{
		Level: 5, MinLength: 1024,
		Skipper: func(c echo.Context) bool { return c.Path() == pathLive },
	})
}

// limited bounds the body of a request, and reads a form before its handler
// runs: a form that was cut off is refused and not taken for an emptier one.
func limited(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		limit := int64(maxBodyBytes)
		if c.Path() == pathProduce || c.Path() == pathPartitionOfKey {
			limit = maxProduceBytes
		}
		r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				return &problem{status: http.StatusBadRequest, title: "The form cannot be read", text: "It is cut off or not a form.", err: err}
			}
		}
		return next(c)
	}
}

// clip bounds what a stranger can put into one line of the log.
func clip(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// discard swallows what echo itself would print; everything worth telling goes
// through slog.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
