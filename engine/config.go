package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/logarium/logarium/engine/broker"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/vfs"
)

// MaxBrokers is the most brokers that one cluster may have.
const MaxBrokers = 15

// Config says what to run. Brokers, Listeners and one of DataDir, Memory and FS
// must be set; everything else has a default.
type Config struct {
	// Brokers is how many brokers to run, 1 to MaxBrokers. Their ids are 1, 2, …
	Brokers int
	// Listeners are where every broker listens, the one that Bootstrap names first.
	Listeners []Listener
	// DataDir is the folder of everything that is kept.
	DataDir string
	// Memory keeps everything in memory instead.
	Memory bool
	// FS gives the disk of a broker instead of DataDir, for tests: at Open, and
	// again each time the broker starts. Broker 0 stands for the process: its
	// disk holds the journal.
	FS func(brokerID int32) (vfs.FS, error)
	// Racks are the racks of the brokers in the order of their ids; brokers
	// beyond its end have none.
	Racks []string
	// Network is what brokers listen on; nil: the real one.
	Network netx.Network
	// Durability says what an acknowledgement waits for.
	Durability replica.Durability
	// Limits bound what clients may ask for; zero values take their defaults.
	Limits broker.Limits
	// Settings are broker settings by Kafka's names that clients see as static.
	Settings map[string]string
	// Events takes what happens; nil: a new hub.
	Events *event.Hub
	Logger *slog.Logger
}

// Listener is an address of the first broker; broker i listens on the port i-1
// above, or on any free one if the port is 0.
type Listener struct {
	Name string
	// Bind is host:port.
	Bind string
	// Advertise is the host that clients of this listener are told to connect
	// to; empty: the host of Bind.
	Advertise string
}

// ListenError tells which listener could not be bound.
type ListenError struct {
	Listener string // its name
	Address  string
	Err      error
}

// Error implements error.
func (e *ListenError) Error() string {
	return fmt.Sprintf("the brokers cannot listen on %s: %v", e.Address, e.Err)
}

// Unwrap returns the cause; syscall.EADDRINUSE is the usual one.
func (e *ListenError) Unwrap() error { return e.Err }

// DataError tells why a data folder cannot be used.
type DataError struct {
	Dir string
	Err error
}

// Error implements error.
func (e *DataError) Error() string {
	if errors.Is(e.Err, vfs.ErrLocked) {
		return fmt.Sprintf("the data folder %s is in use by another Logarium", e.Dir)
	}
	return fmt.Sprintf("the data folder %s cannot be used: %v", e.Dir, e.Err)
}

// Unwrap returns the cause; vfs.ErrLocked if another process has the folder.
func (e *DataError) Unwrap() error { return e.Err }

// address is where broker i (from 0) listens.
func (l Listener) address(i int) (string, error) {
	host, port, err := net.SplitHostPort(l.Bind)
	if err != nil {
		return "", fmt.Errorf("the listener %s: %q is not host:port", l.Name, l.Bind)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return "", fmt.Errorf("the listener %s: %q is not a port", l.Name, port)
	}
	if number != 0 {
		number += i
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), nil
}

// advertised is the host that clients are told, given the bound one.
func (l Listener) advertised(bound string) string {
	if l.Advertise != "" {
		return l.Advertise
	}
	return bound
}

// rack is the rack of a broker, empty if it has none.
func (c *Config) rack(id int32) string {
	if int(id) > len(c.Racks) {
		return ""
	}
	return c.Racks[id-1]
}

// millis is a setting of time that was given at start, or its default.
func (c *Config) millis(name string, def time.Duration) time.Duration {
	n, err := strconv.ParseInt(c.Settings[name], 10, 32)
	if err != nil || n <= 0 {
		return def
	}
	return time.Duration(n) * time.Millisecond
}

// How soon a broker is missed. The defaults are shorter than Kafka's, of which
// the comments tell: nothing but a crash keeps a broker of the same process
// from its heartbeat for long.
func (c *Config) heartbeatInterval() time.Duration {
	return c.millis("broker.heartbeat.interval.ms", 150*time.Millisecond) // Kafka: 2 s
}

func (c *Config) sessionTimeout() time.Duration {
	return c.millis("broker.session.timeout.ms", 600*time.Millisecond) // Kafka: 9 s
}

func (c *Config) lagTimeMax() time.Duration {
	return c.millis("replica.lag.time.max.ms", 10*time.Second) // Kafka: 30 s
}

func (c *Config) validate() error {
	if c.Brokers < 1 || c.Brokers > MaxBrokers {
		return fmt.Errorf("%d brokers: a cluster has 1 to %d", c.Brokers, MaxBrokers)
	}
	if len(c.Listeners) == 0 {
		return errors.New("no listener: brokers that nobody can reach are of no use")
	}
	if c.DataDir == "" && !c.Memory && c.FS == nil {
		return errors.New("no data folder")
	}
	if len(c.Racks) > c.Brokers {
		return fmt.Errorf("%d racks for %d brokers", len(c.Racks), c.Brokers)
	}
	if c.Memory {
		c.Durability = replica.Memory
	}
	if c.Network == nil {
		c.Network = netx.OS()
	}
	if c.Events == nil {
		c.Events = event.New()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
