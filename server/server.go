package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/server/live"
	"github.com/logarium/logarium/static"
)

// Demo is the built-in demo: real clients that make the picture move.
type Demo interface {
	Running() bool
	Offered() bool
	About() string // what it is, and whose data it shows
	Start(ctx context.Context) error
	Stop(ctx context.Context) error // stops and removes what it made
}

// Config is what the console needs from outside.
type Config struct {
	Cluster      *kafka.Cluster
	Live         *live.Live // the picture of the embedded cluster; nil: an empty one
	Demo         Demo       // nil: none
	Brokers      Brokers    // runs the brokers of the embedded cluster; nil: the console cannot
	Durability   string     // what an acknowledgement of the embedded cluster waits for: group, always, os or memory; "": not known
	Logger       *slog.Logger
	AllowedHosts []string     // names besides the loopback ones under which browsers may call the console
	Version      string       // of the product
	Ready        func() error // nil error once the console can serve; nil: always
	Bootstrap    []string     // addresses for clients; those of the cluster's brokers if empty
	Notices      []string     // shown on every page
}

// Server is the console.
type Server struct {
	Config
	files   *static.Files
	handler http.Handler
}

// New builds the console.
func New(cfg Config) (*Server, error) {
	if cfg.Cluster == nil {
		return nil, errors.New("the console needs a cluster")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Live == nil {
		cfg.Live = live.New(event.New(), live.Options{Build: cfg.Version, Logger: cfg.Logger})
	}
	cfg.Live.ReadRecordsFrom(records{cfg.Cluster})
	files, err := static.Load()
	if err != nil {
		return nil, fmt.Errorf("load the static files: %w", err)
	}
	s := &Server{Config: cfg, files: files}
	cfg.Cluster.Expect(s.ownBrokers()...) // they have their letters and colours before they are heard of
	s.handler = s.protect(s.router(s.table()))
	return s, nil
}

// Handler returns the console's HTTP handler.
func (s *Server) Handler() http.Handler { return s.handler }

// Limits of the HTTP server. There is no limit on writing: the event stream
// lives as long as its tab, and sets a deadline for each write of its own.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
	maxBodyBytes      = 1 << 20
	maxProduceBytes   = 16 << 20
)

// HTTPServer returns a server for the console with its limits set.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
	}
}

// router puts routes behind the middleware that every one of them has.
func (s *Server) router(table []route) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.Logger.SetOutput(discard{})
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = s.failed
	e.Pre(escapedPath)
	e.Use(s.logged, s.recovered, compressed(), limited)
	for _, r := range table {
		e.Add(r.method, r.path, r.handler).Name = r.name
	}
	return e
}
