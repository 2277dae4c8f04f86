package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/server"
	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/server/live"
	"github.com/logarium/logarium/server/playground"
)

// stopTimeout bounds a clean stop; what has not ended by then is cut off.
const stopTimeout = 20 * time.Second

// serveCmd runs the brokers and the console.
type serveCmd struct {
	Brokers           int      `help:"How many brokers to run, 1 to 15; default ${default}." default:"3" env:"LOGARIUM_BROKERS" placeholder:"N"`
	Kafka             string   `help:"Address of the first broker; the others take the following ports; default ${default}." default:"127.0.0.1:9092" env:"LOGARIUM_KAFKA" placeholder:"HOST:PORT"`
	Advertise         string   `help:"Host that clients of --kafka are told to connect to; without it the host of --kafka." env:"LOGARIUM_ADVERTISE" placeholder:"HOST"`
	Internal          string   `help:"Address of a second listener of the first broker, for clients that reach it by another name, as other containers do; the others take the following ports." env:"LOGARIUM_INTERNAL" placeholder:"HOST:PORT"`
	InternalAdvertise string   `help:"Host that clients of --internal are told to connect to." env:"LOGARIUM_INTERNAL_ADVERTISE" placeholder:"HOST"`
	Console           string   `help:"Address of the console; port 0 takes any free one; default ${default}." default:"127.0.0.1:8080" env:"LOGARIUM_CONSOLE" placeholder:"HOST:PORT"`
	ConsoleHosts      []string `help:"Further host names by which browsers may ask for the console." env:"LOGARIUM_CONSOLE_HOSTS" placeholder:"HOST"`
	Data              string   `help:"Folder of the data; default ${default}." default:"./logarium-data" env:"LOGARIUM_DATA" placeholder:"DIR"`
	Memory            bool     `help:"Keep everything in memory and nothing on disk." env:"LOGARIUM_MEMORY"`
	Durability        string   `help:"What an acknowledgement waits for: group (synced to disk, many batches by one sync), always (synced, each batch by itself), os (handed to the operating system, as Kafka's default; not safe against power loss) or memory (nothing; files are never synced). Default ${default}." enum:"group,always,os,memory" default:"group" env:"LOGARIUM_DURABILITY"`
	Replication       int      `help:"Replicas of topics that do not ask for a number; without it three, or as many as there are brokers." env:"LOGARIUM_REPLICATION" placeholder:"N"`
	Racks             []string `help:"Racks of the brokers in the order of their ids, such as a,b,c: replicas are spread over them." env:"LOGARIUM_RACKS" placeholder:"RACK"`
	NoDemo            bool     `help:"Never run the heart-rate demo." env:"LOGARIUM_NO_DEMO"`
	Insecure          bool     `help:"Allow addresses that other machines can reach, though nobody has to log in." env:"LOGARIUM_INSECURE"`
	LogLevel          string   `help:"Least level of the log on standard error: debug, info, warn, error. Default ${default}." enum:"debug,info,warn,error" default:"warn" env:"LOGARIUM_LOG_LEVEL"`
}

// Help lists the other commands, since this one is the default.
func (*serveCmd) Help() string {
	return "Other commands, each with its own --help: broker (stop, kill, pause, start the brokers of a running Logarium), bench (measure any Kafka cluster), log dump and log verify (look at a data folder), healthcheck, version."
}

// Run serves until ctx ends.
func (c *serveCmd) Run(ctx context.Context, stdout io.Writer, stderr logWriter) (err error) {
	if err := c.validate(); err != nil {
		return err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return fmt.Errorf("--log-level: %w", err)
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	console, err := listenConsole(ctx, c.Console)
	if err != nil {
		return err
	}
	defer console.Close()
	cluster, err := engine.Open(ctx, c.engineConfig(log))
	if err != nil {
		return explain(err)
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		err = errors.Join(err, cluster.Close(stop))
	}()
	return c.serve(ctx, cluster, console, stdout, log)
}

// serve runs the console over the open cluster until ctx ends.
func (c *serveCmd) serve(ctx context.Context, cluster *engine.Engine, listener net.Listener, stdout io.Writer, log *slog.Logger) error {
	client, err := kafka.Open(kafka.Config{Seeds: cluster.Bootstrap(), ClientID: kafka.DefaultClientID, Logger: log})
	if err != nil {
		return fmt.Errorf("the console's own Kafka client: %w", err)
	}
	defer client.Close()
	picture := live.New(cluster.Events(), live.Options{Build: buildVersion(), HiddenClients: []string{kafka.DefaultClientID, playground.AdminClientID}, Logger: log})
	picture.Start()
	defer picture.Close()
	config := server.Config{
		Cluster:      client,
		Live:         picture,
		Bootstrap:    cluster.Bootstrap(),
		AllowedHosts: c.ConsoleHosts,
		Version:      buildVersion(),
		Ready:        cluster.Ready,
		Brokers:      brokers{cluster},
		Durability:   c.promised(),
		Notices:      c.notices(),
		Logger:       log,
	}
	if !c.NoDemo {
		demo, err := c.openDemo(cluster, log)
		if err != nil {
			return err
		}
		var starting sync.WaitGroup
		defer starting.Wait()
		defer demo.Close()
		config.Demo = demo
		if cluster.Fresh() || demo.Unfinished() {
			starting.Go(func() {
				if err := demo.Start(ctx); err != nil && ctx.Err() == nil {
					log.Error("the heart-rate demo did not start", "error", err)
				}
			})
		}
	}
	srv, err := server.New(config)
	if err != nil {
		return fmt.Errorf("the console: %w", err)
	}
	return c.serveHTTP(ctx, srv, picture, listener, func() error { return c.greet(stdout, cluster, listener) })
}

// serveHTTP serves the console until ctx ends, then lets requests finish.
func (c *serveCmd) serveHTTP(ctx context.Context, srv *server.Server, picture *live.Live, listener net.Listener, greet func() error) error {
	web := srv.HTTPServer()
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(listener) }()
	if err := greet(); err != nil {
		return errors.Join(err, web.Close())
	}
	select {
	case err := <-failed:
		return fmt.Errorf("the console stopped: %w", err)
	case <-ctx.Done():
	}
	picture.Close() // ends the event streams, which Shutdown would wait for
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := web.Shutdown(stop); err != nil {
		return fmt.Errorf("stopping the console: %w", err)
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the console stopped: %w", err)
	}
	return nil
}

func (c *serveCmd) openDemo(cluster *engine.Engine, log *slog.Logger) (*playground.HeartRate, error) {
	config := playground.Config{Seeds: cluster.Bootstrap(), Logger: log}
	if !c.Memory {
		config.StateFile = filepath.Join(c.Data, "console", "demo.json")
	}
	return playground.NewHeartRate(config)
}

// promised is what an acknowledgement waits for, as the console's badge says it.
func (c *serveCmd) promised() string {
	if c.Memory {
		return "memory"
	}
	return c.Durability
}

// notices is what every page of the console says of how the program runs.
func (c *serveCmd) notices() []string {
	var out []string
	switch {
	case c.Memory:
		out = append(out, "Everything is in memory: what is here is gone when the program ends.")
	case c.Durability == "os":
		out = append(out, "Not safe against power loss: an acknowledgement does not wait for the disk (--durability os).")
	case c.Durability == "memory":
		out = append(out, "Not safe against power loss: files are never synced (--durability memory).")
	}
	if c.Insecure {
		out = append(out, "Other machines can reach this console and these brokers without a login (--insecure).")
	}
	return out
}

// greet says where everything is.
func (c *serveCmd) greet(w io.Writer, cluster *engine.Engine, console net.Listener) error {
	where := "data in " + c.Data
	if c.Memory {
		where = "in memory, nothing on disk"
	}
	_, err := fmt.Fprintf(w, "Logarium %s: %s, %s\nConsole  http://%s\nKafka    bootstrap.servers=%s\nStop     Ctrl-C\n",
		buildVersion(), plural(c.Brokers, "broker"), where, reachable(console.Addr().String()), strings.Join(cluster.Bootstrap(), ","))
	return err
}

// reachable is an address that a browser on this machine can open.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil || !isUnspecified(host) {
		return address
	}
	return net.JoinHostPort("127.0.0.1", port)
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
