package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthcheckTimeout bounds one health check; container runtimes ask every few seconds.
const healthcheckTimeout = 3 * time.Second

// healthcheckCmd asks a running process whether it is ready. It is what a
// container runs, since its image holds no other program.
type healthcheckCmd struct {
	Console string `help:"Address of the console." default:"127.0.0.1:8080" env:"LOGARIUM_CONSOLE" placeholder:"HOST:PORT"`
}

// Run asks, and fails if the answer is not that it is ready.
func (c *healthcheckCmd) Run(ctx context.Context, stdout io.Writer) error {
	if _, _, err := net.SplitHostPort(c.Console); err != nil {
		return fmt.Errorf("--console %q is not host:port: %w", c.Console, err)
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	url := "http://" + reachable(c.Console) + "/readyz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return fmt.Errorf("not ready: reading the answer of %s: %w", url, err)
	}
	answer := strings.TrimSpace(string(body))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s answered %s: %s", url, resp.Status, answer)
	}
	_, err = fmt.Fprintln(stdout, answer)
	return err
}
