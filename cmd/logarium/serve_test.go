package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// quiet are the arguments of a test that wants no demo and no fixed port.
func quiet(data string, more ...string) []string {
	return append([]string{"--no-demo", "--data", data, "--kafka", "127.0.0.1:0", "--console", "127.0.0.1:0"}, more...)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(testContext(t), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestServe_GreetsInFourLinesAndIsReady(t *testing.T) {
	p := start(t, quiet(t.TempDir())...)
	if len(p.Bootstrap) != 3 {
		t.Errorf("bootstrap %v", p.Bootstrap)
	}
	for _, path := range []string{"/healthz", "/readyz", "/"} {
		if status, body := get(t, p.Console+path); status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, status, body)
		}
	}
	address := strings.TrimPrefix(p.Console, "http://")
	if out, err := command(testContext(t), t, "healthcheck", "--console", address).CombinedOutput(); err != nil {
		t.Errorf("healthcheck: %v: %s", err, out)
	}
	p.Stop()
	if out, err := command(testContext(t), t, "healthcheck", "--console", address).CombinedOutput(); err == nil {
		t.Errorf("healthcheck of a stopped program succeeds: %s", out)
	}
}

// Each way to fail must end at once with one sentence that names the flag.
func TestServe_RefusesInOneSentence(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { busy.Close() }) // the cases run after this function has returned
	address := busy.Addr().String()
	_, busyPort, _ := net.SplitHostPort(address)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "wrong.yaml")
	if err := os.WriteFile(wrong, []byte("brokerz: 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	used := t.TempDir()
	start(t, quiet(used)...)
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"console port in use":    {quiet(t.TempDir(), "--console", address), []string{address, "in use", "--console"}},
		"kafka port in use":      {quiet(t.TempDir(), "--kafka", address), []string{busyPort, "in use", "--kafka"}},
		"data in use":            {quiet(used), []string{used, "in use", "--data"}},
		"data is a file":         {quiet(file), []string{file, "--data"}},
		"no brokers":             {quiet(t.TempDir(), "--brokers", "0"), []string{"--brokers"}},
		"not a number":           {quiet(t.TempDir(), "--brokers", "x"), []string{"--brokers"}},
		"not an address":         {quiet(t.TempDir(), "--kafka", "localhost"), []string{"--kafka", "host:port"}},
		"ports run out":          {quiet(t.TempDir(), "--kafka", "127.0.0.1:65534"), []string{"--kafka", "65533"}},
		"open console":           {quiet(t.TempDir(), "--console", "0.0.0.0:0"), []string{"--console", "--insecure"}},
		"open brokers":           {quiet(t.TempDir(), "--kafka", "0.0.0.0:0", "--advertise", "x"), []string{"--kafka", "--insecure"}},
		"every address":          {quiet(t.TempDir(), "--kafka", "0.0.0.0:0", "--insecure"), []string{"--advertise"}},
		"unknown flag":           {quiet(t.TempDir(), "--frobnicate"), []string{"--frobnicate", "--help"}},
		"unknown setting":        {quiet(t.TempDir(), "--config", wrong), []string{"brokerz"}},
		"no settings file":       {quiet(t.TempDir(), "--config", wrong+"x"), []string{"--config"}},
		"advertise without bind": {quiet(t.TempDir(), "--internal-advertise", "x"), []string{"--internal"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			cmd := command(testContext(t), t, c.args...)
			cmd.Stderr = &stderr
			err := cmd.Run()
			if cmd.ProcessState.ExitCode() != 1 {
				t.Fatalf("exit code %d (%v): %s", cmd.ProcessState.ExitCode(), err, stderr.String())
			}
			text := strings.TrimSpace(stderr.String())
			if strings.Contains(text, "\n") {
				t.Errorf("more than one line: %s", text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not name %q", text, want)
				}
			}
		})
	}
}

func TestServe_SettingsByFlagEnvironmentAndFile(t *testing.T) {
	data := t.TempDir()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(file, []byte("brokers: 2\nno-demo: true\nmemory: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env  string
		args []string
		want int
	}{
		{"", nil, 2},
		{"LOGARIUM_BROKERS=4", nil, 4},
		{"LOGARIUM_BROKERS=4", []string{"--brokers", "1"}, 1},
	} {
		if c.env != "" {
			name, value, _ := strings.Cut(c.env, "=")
			t.Setenv(name, value)
		}
		args := append([]string{"--config", file, "--data", data, "--kafka", "127.0.0.1:0", "--console", "127.0.0.1:0"}, c.args...)
		parsed, err := parse(args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if got := parsed.Selected().Target.Addr().Interface().(*serveCmd); got.Brokers != c.want || !got.NoDemo || !got.Memory {
			t.Errorf("env %q args %v: %+v", c.env, c.args, got)
		}
	}
}

// What was acknowledged is there after kill -9 and after a clean stop, and a
// group goes on from its offsets.
func TestServe_RestartKeepsEverything(t *testing.T) {
	data := t.TempDir()
	port := freePorts(t, 3)
	args := []string{"--no-demo", "--data", data, "--kafka", fmt.Sprintf("127.0.0.1:%d", port), "--console", "127.0.0.1:0"}
	const each = 300
	next := 0
	for round, stop := range []func(*process){(*process).Kill, (*process).Stop, (*process).Kill} {
		p := start(t, args...)
		ctx := testContext(t)
		client := p.Client()
		if round == 0 {
			if _, err := kadm.NewClient(client).CreateTopic(ctx, 3, -1, nil, "kept"); err != nil {
				t.Fatal(err)
			}
		}
		for i := range each {
			r := &kgo.Record{Topic: "kept", Key: fmt.Appendf(nil, "k%d", i%7), Value: fmt.Appendf(nil, "%d", round*each+i)}
			client.Produce(ctx, r, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("round %d: %v", round, err)
				}
			})
		}
		if err := client.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		reader := p.Client(kgo.ConsumerGroup("readers"), kgo.ConsumeTopics("kept"),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
		seen := map[string]bool{}
		for len(seen) < each {
			fetches := reader.PollFetches(ctx)
			if err := fetches.Err0(); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			fetches.EachRecord(func(r *kgo.Record) { seen[string(r.Value)] = true })
		}
		for i := range each {
			if !seen[fmt.Sprint(next+i)] {
				t.Fatalf("round %d: record %d is missing", round, next+i)
			}
		}
		next += each
		if err := reader.CommitUncommittedOffsets(ctx); err != nil {
			t.Fatal(err)
		}
		reader.Close()
		client.Close()
		stop(p)
	}
}
