package compat

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// driver is one client library under the control of the tests. doc.go has the commands. One goroutine uses it.
type driver interface {
	do(ctx context.Context, q request) (reply, error)
}

type request struct {
	Do         string            `json:"do"`
	Topic      string            `json:"topic,omitempty"`
	Group      string            `json:"group,omitempty"`
	Name       string            `json:"name,omitempty"`
	Codec      string            `json:"codec,omitempty"`
	At         string            `json:"at,omitempty"`
	Partitions int32             `json:"partitions,omitempty"`
	Count      int               `json:"count"`
	WaitMS     int               `json:"wait_ms,omitempty"`
	Configs    map[string]string `json:"configs,omitempty"`
	Offsets    map[int32]int64   `json:"offsets,omitempty"`
	Records    []record          `json:"records,omitempty"`
}

type reply struct {
	Error      string            `json:"error"`
	Version    string            `json:"version"`
	Names      []string          `json:"names"`
	Leaders    []int32           `json:"leaders"`
	Brokers    []int32           `json:"brokers"`
	Controller int32             `json:"controller"`
	ClusterID  string            `json:"cluster_id"`
	Configs    map[string]string `json:"configs"`
	Offsets    map[int32]int64   `json:"offsets"`
	Placed     []placed          `json:"placed"`
	Records    []record          `json:"records"`
	Assigned   []int32           `json:"assigned"`
	Errors     []string          `json:"errors"`
	State      string            `json:"state"`
	Members    []groupMember     `json:"members"`
}

type placed struct {
	Partition int32 `json:"p"`
	Offset    int64 `json:"o"`
}

type groupMember struct {
	ClientID   string  `json:"client_id"`
	Partitions []int32 `json:"partitions"`
}

// record is one record as every client shows it. A nil key, value or header value is null; an empty one is not nil.
type record struct {
	Partition int32    `json:"p"`
	Offset    int64    `json:"o"`
	Timestamp int64    `json:"ts"`
	Key       []byte   `json:"k"`
	Value     []byte   `json:"v"`
	Headers   []header `json:"h"`
}

type header struct {
	Name  string
	Value []byte
}

func (h header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.Name, h.Value}) }

func (h *header) UnmarshalJSON(b []byte) error {
	return json.Unmarshal(b, &[]any{&h.Name, &h.Value})
}

// must runs a command that has to succeed.
func must(t *testing.T, d driver, q request) reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	r, err := d.do(ctx, q)
	if err != nil {
		t.Fatalf("%s: %v", q.Do, err)
	}
	return r
}

// try runs a command and gives its error back.
func try(t *testing.T, d driver, q request) (reply, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	return d.do(ctx, q)
}

// childDriver is a driver in another language, in a process of its own.
type childDriver struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan []byte
	log     string
}

// startDriver runs a driver's program until the end of the test.
func startDriver(t *testing.T, c *cluster, name string, env []string, command ...string) driver {
	t.Helper()
	d := &childDriver{answers: make(chan []byte), log: filepath.Join(t.TempDir(), name+".log")}
	stderr, err := os.Create(d.log)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	d.cmd = exec.Command(command[0], command[1:]...)
	d.cmd.Env = append(append(os.Environ(), env...), "LOGARIUM_DRIVER_BOOTSTRAP="+c.bootstrap, "LOGARIUM_DRIVER_CLIENT_ID=compat-"+name)
	d.cmd.Stderr = stderr
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go d.read(stdout)
	t.Cleanup(func() { d.close(t) })
	return d
}

// read hands out what the program prints, line by line, to its end.
func (d *childDriver) read(stdout io.Reader) {
	defer close(d.answers)
	r := bufio.NewReaderSize(stdout, 1<<20)
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return
		}
		d.answers <- line
	}
}

func (d *childDriver) do(ctx context.Context, q request) (reply, error) {
	line, err := json.Marshal(q)
	if err != nil {
		return reply{}, err
	}
	if _, err := d.in.Write(append(line, '\n')); err != nil {
		return reply{}, fmt.Errorf("the driver has gone: %w\n%s", err, tail(d.log, 30))
	}
	select {
	case answer, ok := <-d.answers:
		if !ok {
			return reply{}, fmt.Errorf("the driver has gone:\n%s", tail(d.log, 30))
		}
		var r reply
		if err := json.Unmarshal(answer, &r); err != nil {
			return reply{}, fmt.Errorf("the driver printed %q: %w", answer, err)
		}
		if r.Error != "" {
			return r, errors.New(r.Error)
		}
		return r, nil
	case <-ctx.Done():
		return reply{}, fmt.Errorf("%w; the driver's log ends so:\n%s", ctx.Err(), tail(d.log, 30))
	}
}

// close ends the program by the end of its input, or, after a while, for sure.
func (d *childDriver) close(t *testing.T) {
	if err := d.in.Close(); err != nil {
		t.Error(err)
	}
	timer := time.AfterFunc(20*time.Second, func() {
		t.Errorf("%s did not end within 20 s of the end of its input", d.cmd.Path)
		if err := d.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	for range d.answers { // an answer that nobody waited for
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("%s: %v", d.cmd.Path, err)
	}
	timer.Stop()
	if t.Failed() {
		t.Logf("end of %s:\n%s", filepath.Base(d.log), tail(d.log, 30))
	}
}
