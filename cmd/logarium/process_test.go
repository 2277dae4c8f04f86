package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// asProgram makes a child of the test binary run main instead of the tests.
const asProgram = "LOGARIUM_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process is a running child.
type process struct {
	t         *testing.T
	cmd       *exec.Cmd
	stderr    *lockedBuffer
	greeting  []string
	Console   string   // URL
	Bootstrap []string // broker addresses
}

// lockedBuffer is a buffer that the child's pipe and the test share.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// command returns the program with a clean environment and the given arguments.
func command(ctx context.Context, t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Dir = t.TempDir()
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LOGARIUM_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, asProgram+"=1")
	return cmd
}

// start runs the program and waits for its greeting.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: command(context.Background(), t, args...), stderr: &lockedBuffer{}}
	p.cmd.Stderr = p.stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			p.Kill()
		}
	})
	lines := bufio.NewScanner(stdout)
	for len(p.greeting) < 4 && lines.Scan() {
		p.greeting = append(p.greeting, lines.Text())
	}
	if len(p.greeting) < 4 {
		t.Fatalf("the program ended with: %s%s", strings.Join(p.greeting, "\n"), p.stderr)
	}
	p.Console = strings.Fields(p.greeting[1])[1]
	p.Bootstrap = strings.Split(strings.TrimPrefix(strings.Fields(p.greeting[2])[1], "bootstrap.servers="), ",")
	return p
}

// Kill ends the program as kill -9 does.
func (p *process) Kill() {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	_ = p.cmd.Wait() // says only that it was killed
}

// Stop ends the program as Ctrl-C does; it must end well.
func (p *process) Stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("stopped by a signal: %v\n%s", err, p.stderr)
	}
}

// Client opens a Kafka client on the running program.
func (p *process) Client(opts ...kgo.Opt) *kgo.Client {
	p.t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(p.Bootstrap...)}, opts...)...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(client.Close)
	return client
}

// freePorts returns a port such that it and the n-1 that follow are free now.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for range 100 {
		first := 20000 + int(time.Now().UnixNano()/1000%9000)
		var held []net.Listener
		for i := range n {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
			if err != nil {
				break
			}
			held = append(held, l)
		}
		for _, l := range held {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if len(held) == n {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
