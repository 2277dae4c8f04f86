package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// StartCmd starts a server again and again and times its first signs of life.
type StartCmd struct {
	Bootstrap []string      `help:"Broker addresses that the command will serve." default:"127.0.0.1:9092" placeholder:"HOST:PORT"`
	Console   string        `help:"URL of a page that the command will serve; empty: none." placeholder:"URL"`
	Runs      int           `help:"How many times." default:"5"`
	Settle    time.Duration `help:"How long to leave the server alone before its memory is read." default:"0s"`
	Timeout   time.Duration `help:"Give up on a start after this long." default:"2m"`
	JSON      bool          `name:"json" help:"Print one JSON object instead of a table."`
	Command   []string      `arg:"" passthrough:"" help:"The command and its arguments, after --; {data} becomes a fresh folder for each run."`
}

// StartRun is one start: milliseconds from just before the process was made.
type StartRun struct {
	ListenMS float64 `json:"listen_ms"`            // a TCP connection was accepted
	AckMS    float64 `json:"first_ack_ms"`         // a topic was made and a record with acks=all acknowledged
	PageMS   float64 `json:"first_page_ms"`        // the page answered 200 and its body was read; 0: none was asked for
	RSSMiB   float64 `json:"resident_mib"`         // of the process, after --settle; 0 where /proc is missing
	StopMS   float64 `json:"stop_ms"`              // from SIGTERM to the end
	ExitCode int     `json:"exit_code"`            // −1: it had to be killed
	Error    string  `json:"stop_error,omitempty"` // how it ended when that was not with exit code 0
}

// StartResult is what `bench start --json` prints.
type StartResult struct {
	Mode    string     `json:"mode"`
	Command []string   `json:"command"`
	Runs    []StartRun `json:"runs"`
	Median  StartRun   `json:"median"`
}

// Run starts the command --runs times, one after the other.
func (c *StartCmd) Run(ctx context.Context, stdout io.Writer) error {
	command := c.Command
	if len(command) > 0 && command[0] == "--" {
		command = command[1:]
	}
	if len(command) == 0 || c.Runs < 1 || len(c.Bootstrap) == 0 {
		return errors.New("bench start needs a command after --, --runs of at least 1 and a --bootstrap address")
	}
	res := &StartResult{Mode: "start", Command: command}
	for i := range c.Runs {
		run, err := c.once(ctx, command)
		if err != nil {
			return fmt.Errorf("start %d of %d: %w", i+1, c.Runs, err)
		}
		res.Runs = append(res.Runs, run)
	}
	res.Median = median(res.Runs)
	m := res.Median
	rows := []row{
		{"starts", fmt.Sprintf("%d of %s", c.Runs, strings.Join(command, " "))},
		{"listening after", fmt.Sprintf("%.0f ms (median)", m.ListenMS)},
		{"first record acknowledged", fmt.Sprintf("%.0f ms", m.AckMS)},
	}
	if c.Console != "" {
		rows = append(rows, row{"first page", fmt.Sprintf("%.0f ms", m.PageMS)})
	}
	if m.RSSMiB > 0 {
		rows = append(rows, row{"resident memory", fmt.Sprintf("%.0f MiB", m.RSSMiB)})
	}
	return report(stdout, c.JSON, res, append(rows, row{"stopped within", fmt.Sprintf("%.0f ms", m.StopMS)}))
}

// once is one start. The server's output is shown only if it did not come up.
func (c *StartCmd) once(ctx context.Context, command []string) (StartRun, error) {
	dir, err := os.MkdirTemp("", "logarium-bench-")
	if err != nil {
		return StartRun{}, err
	}
	defer os.RemoveAll(dir)
	args := make([]string, len(command))
	for i, a := range command {
		args[i] = strings.ReplaceAll(a, "{data}", filepath.Join(dir, "data"))
	}
	var output bytes.Buffer
	server := exec.Command(args[0], args[1:]...) //nolint:noctx // it is stopped by SIGTERM first, see stop
	server.Stdout, server.Stderr = &output, &output

	begin := time.Now()
	if err := server.Start(); err != nil {
		return StartRun{}, err
	}
	exited := make(chan error, 1)
	go func() { exited <- server.Wait() }()
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("it did not come up within %v", c.Timeout))
	defer cancel()
	run, err := c.firsts(ctx, begin, exited)
	if err == nil {
		err = wait(ctx, c.Settle)
		run.RSSMiB = residentMiB(server.Process.Pid)
	}
	stop(server, exited, &run)
	if err != nil {
		return run, fmt.Errorf("%w; it printed:\n%s", err, output.String())
	}
	return run, nil
}

// firsts waits for each first sign of life, all at once; an early end of the process ends the wait. The news of that
// end goes back into exited for the one who stops the process.
func (c *StartCmd) firsts(ctx context.Context, begin time.Time, exited chan error) (StartRun, error) {
	var run StartRun
	since := func() float64 { return float64(time.Since(begin).Microseconds()) / 1000 }
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	up := make(chan struct{})
	var failed error // read after up
	go func() {
		defer close(up)
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			err := firstListen(ctx, c.Bootstrap[0])
			run.ListenMS = since()
			if err == nil {
				err = firstAck(ctx, c.Bootstrap)
				run.AckMS = since()
			}
			return err
		})
		if c.Console != "" {
			group.Go(func() error {
				err := firstPage(ctx, c.Console)
				run.PageMS = since()
				return err
			})
		}
		failed = group.Wait()
	}()
	select {
	case <-up:
		return run, failed
	case err := <-exited:
		exited <- err
		cause := errors.New("the command ended before it served")
		if err != nil {
			cause = fmt.Errorf("%w: %w", cause, err)
		}
		cancel(cause)
		<-up // it ends by the cause, which is what counts
		return run, cause
	}
}

// firstListen returns when addr accepts a connection.
func firstListen(ctx context.Context, addr string) error {
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if wait(ctx, time.Millisecond) != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

// firstAck returns when a topic was made and one record in it acknowledged by acks=all.
func firstAck(ctx context.Context, bootstrap []string) error {
	const topic = "bench-start"
	quick := func(int) time.Duration { return 2 * time.Millisecond }
	cl, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...), kgo.ClientID(clientID), kgo.RetryBackoffFn(quick), kgo.ProducerLinger(0),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		_, err := kadm.NewClient(cl).CreateTopic(ctx, 1, -1, nil, topic)
		if err == nil || errors.Is(err, kerr.TopicAlreadyExists) {
			break
		}
		if wait(ctx, 2*time.Millisecond) != nil {
			return fmt.Errorf("%w: create topic: %w", context.Cause(ctx), err)
		}
	}
	return cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte("first")}).FirstErr()
}

// firstPage returns when url answered with 200 and its body was read.
func firstPage(ctx context.Context, url string) error {
	for {
		err := page(ctx, url)
		if err == nil {
			return nil
		}
		if wait(ctx, 2*time.Millisecond) != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

func page(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// stop ends the process by SIGTERM, after 30 seconds by SIGKILL, and notes how it went.
func stop(server *exec.Cmd, exited <-chan error, run *StartRun) {
	begin := time.Now()
	killed := false
	err := server.Process.Signal(syscall.SIGTERM)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		killed = server.Process.Kill() == nil
	}
	select {
	case err = <-exited:
	case <-time.After(30 * time.Second):
		killed = true
		if kill := server.Process.Kill(); kill != nil {
			run.Error = kill.Error()
		}
		err = <-exited
	}
	run.StopMS = float64(time.Since(begin).Microseconds()) / 1000
	run.ExitCode = server.ProcessState.ExitCode()
	if killed {
		run.ExitCode = -1
	}
	if err != nil {
		run.Error = err.Error()
	}
}

// residentMiB reads a process's resident memory from /proc; 0 where there is none.
func residentMiB(pid int) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kib / 1024
		}
	}
	return 0
}

// median takes the median of each figure by itself.
func median(runs []StartRun) StartRun {
	of := func(pick func(StartRun) float64) float64 {
		var all []float64
		for _, r := range runs {
			all = append(all, pick(r))
		}
		slices.Sort(all)
		if n := len(all); n%2 == 0 {
			return (all[n/2-1] + all[n/2]) / 2
		}
		return all[len(all)/2]
	}
	return StartRun{
		ListenMS: of(func(r StartRun) float64 { return r.ListenMS }),
		AckMS:    of(func(r StartRun) float64 { return r.AckMS }),
		PageMS:   of(func(r StartRun) float64 { return r.PageMS }),
		RSSMiB:   of(func(r StartRun) float64 { return r.RSSMiB }),
		StopMS:   of(func(r StartRun) float64 { return r.StopMS }),
	}
}
