package compat

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// upWithin is how long a start may take on a machine that is busy with other tests.
const upWithin = 30 * time.Second

// cluster is what the clients talk to: the binary as a child process, or somebody else's cluster.
type cluster struct {
	bootstrap string
	external  bool

	binary, data, logPath string
	port                  int
	console               string // URL
	process               *exec.Cmd
	exited                chan error
}

// outside reports whether the tests run against a cluster that was there before.
func outside() bool { return os.Getenv("LOGARIUM_COMPAT_BOOTSTRAP") != "" }

// startCluster starts three brokers on a fresh data directory, or names the cluster of LOGARIUM_COMPAT_BOOTSTRAP.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	if outside() {
		return &cluster{bootstrap: os.Getenv("LOGARIUM_COMPAT_BOOTSTRAP"), external: true}
	}
	dir := t.TempDir()
	c := &cluster{binary: logariumPath(t), data: filepath.Join(dir, "data"), logPath: filepath.Join(dir, "log"), port: freePorts(t, 3)}
	for i := range 3 {
		c.bootstrap += fmt.Sprintf(",127.0.0.1:%d", c.port+i)
	}
	c.bootstrap = c.bootstrap[1:]
	t.Cleanup(func() {
		if err := c.stop(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		// What the clients did must have left a data folder that is right in every way.
		if out, err := exec.Command(c.binary, "log", "verify", c.data).CombinedOutput(); err != nil {
			t.Errorf("log verify: %v\n%s", err, out)
		}
		if t.Failed() {
			t.Logf("end of the brokers' log:\n%s", tail(c.logPath, 60))
		}
	})
	if err := c.start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs the binary and returns when it says that it is ready.
func (c *cluster) start() error {
	logFile, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer logFile.Close()
	cmd := exec.Command(c.binary, "--no-demo", "--brokers", "3", "--kafka", fmt.Sprintf("127.0.0.1:%d", c.port),
		"--console", "127.0.0.1:0", "--data", c.data)
	cmd.Stderr = logFile
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.process, c.exited = cmd, make(chan error, 1)
	console := make(chan string, 1)
	go func() {
		watchOutput(stdout, c.logPath, console)
		c.exited <- cmd.Wait()
	}()
	ctx, cancel := context.WithTimeout(context.Background(), upWithin)
	defer cancel()
	select {
	case url := <-console:
		c.console = url
		return ready(ctx, url)
	case err := <-c.exited:
		c.process = nil
		return fmt.Errorf("it ended before it was ready: %w\n%s", err, tail(c.logPath, 40))
	case <-ctx.Done():
		return fmt.Errorf("it did not print the console's address within %v\n%s", upWithin, tail(c.logPath, 40))
	}
}

var consoleURL = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// watchOutput copies what the process prints to the log, and sends the first URL in it.
func watchOutput(stdout io.Reader, logPath string, console chan<- string) {
	found := false
	for scan := bufio.NewScanner(stdout); scan.Scan(); {
		if url := consoleURL.FindString(scan.Text()); url != "" && !found {
			found = true
			console <- url
		}
		if f, err := os.OpenFile(logPath, os.O_APPEND|os.O_WRONLY, 0o644); err == nil {
			fmt.Fprintln(f, scan.Text())
			f.Close()
		}
	}
}

func ready(ctx context.Context, console string) error {
	return retry(ctx, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, console+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s", req.URL, resp.Status)
		}
		return nil
	})
}

// stop ends the process by a signal and waits for its end; after SIGTERM its exit code must be 0.
func (c *cluster) stop(sig syscall.Signal) error {
	if c.process == nil {
		return nil
	}
	process := c.process.Process
	c.process = nil
	if err := process.Signal(sig); err != nil {
		return fmt.Errorf("%v: %w", sig, err)
	}
	select {
	case err := <-c.exited:
		if sig == syscall.SIGTERM && err != nil {
			return fmt.Errorf("after SIGTERM: %w\n%s", err, tail(c.logPath, 40))
		}
		return nil
	case <-time.After(upWithin):
		return errors.Join(fmt.Errorf("still there %v after %v", upWithin, sig), process.Kill(), <-c.exited)
	}
}

// canRestart says whether restart does anything: somebody else's cluster needs a command for it.
func (c *cluster) canRestart() bool { return !c.external || os.Getenv("LOGARIUM_COMPAT_RESTART") != "" }

// restart ends the brokers by SIGTERM or SIGKILL and starts them again on the same data and ports.
func (c *cluster) restart(sig syscall.Signal) error {
	if !c.external {
		if err := c.stop(sig); err != nil {
			return err
		}
		return c.start()
	}
	if !c.canRestart() {
		return nil
	}
	name := "TERM"
	if sig == syscall.SIGKILL {
		name = "KILL"
	}
	cmd := exec.Command("sh", "-c", os.Getenv("LOGARIUM_COMPAT_RESTART"))
	cmd.Env = append(os.Environ(), "LOGARIUM_COMPAT_SIGNAL="+name)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", os.Getenv("LOGARIUM_COMPAT_RESTART"), err, out)
	}
	return nil
}

// broker stops, kills or starts one broker, and returns when that is done.
func (c *cluster) broker(t *testing.T, action string, id int32) {
	t.Helper()
	if !c.external {
		command(t, "", c.binary, "broker", action, strconv.Itoa(int(id)), "--console", c.console)
		return
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", os.Getenv("LOGARIUM_COMPAT_BROKER"))
	cmd.Env = append(os.Environ(), "LOGARIUM_COMPAT_ACTION="+action, "LOGARIUM_COMPAT_ID="+strconv.Itoa(int(id)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s broker %d: %v\n%s", action, id, err, out)
	}
}

// created waits, on somebody else's cluster, until each broker knows a new topic and its leaders serve: Apache Kafka
// answers before that. This engine answers when it is so, and is not waited for.
func (c *cluster) created(t *testing.T, topic string) {
	t.Helper()
	if !c.external {
		return
	}
	eventually(t, 30*time.Second, func() error {
		for address := range strings.SplitSeq(c.bootstrap, ",") {
			one := cluster{bootstrap: address}
			cl := kgoClient(t, &one)
			listed, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
			cl.Close()
			if err = errors.Join(err, listed.Error()); err != nil {
				return err
			}
			if len(listed[topic]) == 0 {
				return fmt.Errorf("%s does not know %s", address, topic)
			}
		}
		return nil
	})
}

// built is the binary, made once for a run of the tests.
var built struct {
	once sync.Once
	path string
	err  error
}

func logariumPath(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("LOGARIUM_COMPAT_BINARY"); path != "" {
		return path
	}
	built.once.Do(func() {
		built.path = filepath.Join(scratch, "logarium")
		out, err := exec.Command("go", "build", "-o", built.path, "../../cmd/logarium").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// scratch is a folder that lasts as long as the test process.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "logarium-compat-")
	if err != nil {
		panic(err)
	}
	scratch = dir
	// What runs in parallel here waits for other processes, and some of it waits for each other: the number of
	// processors is no measure for how much may run at once.
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		code = cmp.Or(code, 1)
	}
	os.Exit(code)
}

// freePorts returns the first of n ports in a row that are free now. They are below the range that the system takes
// ports for outgoing connections from, so that no client of a stopped broker can sit on its port.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		r, err := rand.Int(rand.Reader, big.NewInt(1000))
		if err != nil {
			t.Fatal(err)
		}
		first := 20000 + 10*int(r.Int64())
		if allFree(first, n) {
			return first
		}
	}
	t.Fatal("no free ports between 20000 and 30000")
	return 0
}

func allFree(first, n int) bool {
	for i := range n {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// retry calls fn until it succeeds or the context ends; what it waits for happens in other processes, so that there
// is nothing better than to ask again.
func retry(ctx context.Context, fn func() error) error {
	for {
		err := fn()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// eventually fails the test when fn does not succeed within the time.
func eventually(t *testing.T, within time.Duration, fn func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := retry(ctx, fn); err != nil {
		t.Fatal(err)
	}
}

// tail returns the last lines of a file.
func tail(path string, lines int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
