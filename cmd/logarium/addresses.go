package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"syscall"

	"github.com/logarium/logarium/engine"
	"github.com/logarium/logarium/engine/replica"
)

// The listeners' names, as Metadata of other brokers and the console show them.
const (
	external = "EXTERNAL" // --kafka
	internal = "INTERNAL" // --internal
)

// validate finds what is wrong with the settings before anything is opened.
func (c *serveCmd) validate() error {
	if c.Brokers < 1 || c.Brokers > engine.MaxBrokers {
		return fmt.Errorf("--brokers %d: it takes 1 to %d", c.Brokers, engine.MaxBrokers)
	}
	if c.Data == "" && !c.Memory {
		return errors.New("--data is empty: name a folder, or keep everything in memory with --memory")
	}
	if c.Replication < 0 || c.Replication > c.Brokers {
		return fmt.Errorf("--replication %d: with %s it takes 1 to %d", c.Replication, plural(c.Brokers, "broker"), c.Brokers)
	}
	if len(c.Racks) > c.Brokers {
		return fmt.Errorf("--racks names %d racks for %s", len(c.Racks), plural(c.Brokers, "broker"))
	}
	if c.InternalAdvertise != "" && c.Internal == "" {
		return errors.New("--internal-advertise is set without --internal, the listener that it belongs to")
	}
	for _, a := range []struct {
		flag, address, advertise string
		ports                    int
	}{
		{"--console", c.Console, "-", 1},
		{"--kafka", c.Kafka, c.Advertise, c.Brokers},
		{"--internal", c.Internal, c.InternalAdvertise, c.Brokers},
	} {
		if a.address == "" && a.flag == "--internal" {
			continue
		}
		if err := validateAddress(a.flag, a.address, a.advertise, a.ports); err != nil {
			return err
		}
		if host, _, _ := net.SplitHostPort(a.address); !isLoopback(host) && !c.Insecure {
			return fmt.Errorf("%s %s can be reached from other machines, and nobody has to log in: use 127.0.0.1, or add --insecure if that is meant", a.flag, a.address)
		}
	}
	return nil
}

// validateAddress checks one host:port and that as many ports follow it as are needed.
func validateAddress(flag, address, advertise string, ports int) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%s %q is not host:port, such as 127.0.0.1:9092", flag, address)
	}
	number, err := strconv.Atoi(port)
	if err != nil || number < 0 || number+ports-1 > 65535 {
		return fmt.Errorf("%s %q: the port must be a number from 0 to %d", flag, address, 65535-ports+1)
	}
	if advertise == "" && isUnspecified(host) {
		return fmt.Errorf("%s %s listens on every address, so clients must be told which one to use: add %s HOST", flag, address, advertiseFlag(flag))
	}
	return nil
}

// advertiseFlag names the flag that says what a listener's clients are told.
func advertiseFlag(flag string) string {
	if flag == "--kafka" {
		return "--advertise"
	}
	return flag + "-advertise"
}

func isUnspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || (ip != nil && ip.IsUnspecified())
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// engineConfig is what the engine needs of the settings.
func (c *serveCmd) engineConfig(log *slog.Logger) engine.Config {
	config := engine.Config{
		Brokers:    c.Brokers,
		Listeners:  []engine.Listener{{Name: external, Bind: c.Kafka, Advertise: c.Advertise}},
		DataDir:    c.Data,
		Memory:     c.Memory,
		Durability: durabilities[c.Durability],
		Racks:      c.Racks,
		Settings:   map[string]string{},
		Logger:     log,
	}
	if c.Internal != "" {
		config.Listeners = append(config.Listeners,
			engine.Listener{Name: internal, Bind: c.Internal, Advertise: c.InternalAdvertise})
	}
	if c.Replication > 0 {
		for _, name := range []string{"default.replication.factor", "offsets.topic.replication.factor"} {
			config.Settings[name] = strconv.Itoa(c.Replication)
		}
	}
	return config
}

// durabilities are the values of --durability.
var durabilities = map[string]replica.Durability{
	"group": replica.Group, "always": replica.Always, "os": replica.OS, "memory": replica.Memory,
}

// listenConsole binds the console's address, before anything else is opened.
func listenConsole(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("the console's address %s is in use: choose another with --console HOST:PORT (port 0 takes any free one)", address)
	}
	if err != nil {
		return nil, fmt.Errorf("the console cannot listen on %s: %w; choose another address with --console HOST:PORT", address, err)
	}
	return l, nil
}

// explain adds to an error of the engine which setting would mend it.
func explain(err error) error {
	var listen *engine.ListenError
	var data *engine.DataError
	switch {
	case errors.As(err, &listen):
		flag := "--kafka"
		if listen.Listener == internal {
			flag = "--internal"
		}
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("the brokers' address %s is in use: choose another first address with %s HOST:PORT", listen.Address, flag)
		}
		return fmt.Errorf("%w; choose another first address with %s HOST:PORT", err, flag)
	case errors.As(err, &data):
		return fmt.Errorf("%w; choose another with --data DIR", err)
	}
	return err
}
