package compat

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// command runs a program to its end and returns what it printed; it has to succeed.
func command(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := output(t, stdin, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// output runs a program to its end, and says in its error what the program said.
func output(t *testing.T, stdin string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s\n%s", strings.Join(args[len(args)-min(len(args), 12):], " "), err, out, stderr.String())
	}
	return string(out), nil
}

// process is a program that runs on while the test goes on; its lines of output are collected.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	log  string
	done chan struct{}

	mu    sync.Mutex
	lines []string
}

// spawn starts a program that ends with the test, at the latest.
func spawn(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(args[0], args[1:]...), log: filepath.Join(t.TempDir(), name+".log"), done: make(chan struct{})}
	stderr, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	p.cmd.Stderr = stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.collect(stdout)
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("end of %s:\n%s", filepath.Base(p.log), tail(p.log, 20))
		}
	})
	return p
}

func (p *process) collect(stdout io.Reader) {
	defer close(p.done)
	for scan := bufio.NewScanner(stdout); scan.Scan(); {
		p.mu.Lock()
		p.lines = append(p.lines, scan.Text())
		p.mu.Unlock()
	}
}

// take returns the lines since the last call.
func (p *process) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.lines
	p.lines = nil
	return out
}

// write gives the program lines to read.
func (p *process) write(t *testing.T, lines string) {
	t.Helper()
	if _, err := io.WriteString(p.in, lines); err != nil {
		t.Fatalf("%s has gone: %v\n%s", p.cmd.Path, err, tail(p.log, 20))
	}
}

// stop ends the program as Ctrl-C does, after a while for sure. It may be called again.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Logf("%s had ended: %v", p.cmd.Path, err)
	}
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		t.Errorf("%s did not end within 20 s", p.cmd.Path)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-p.done
	}
	// Ended by a signal is an error to Wait, and just what was asked for.
	if err := p.cmd.Wait(); err != nil && p.cmd.ProcessState == nil {
		t.Error(err)
	}
}

// lineGroup is a producer that reads lines and two group members that print them; the members are processes that live
// through the restarts.
type lineGroup struct {
	c            *cluster
	adm          *kadm.Client
	topic, group string
	send         func(t *testing.T, lines string) // produces lines "key:value", in order
	member       func(name string) []string       // the command line of a member
	parse        func(line string) (record, error)

	members map[string]*process
	next    map[int32]int64
	all     []record // what must be in the topic, without timestamps
	got     map[placed]bool
	steps   int
}

// newLineGroup makes the topic; the caller sets send, member and parse.
func newLineGroup(t *testing.T, c *cluster, topic, group string) *lineGroup {
	t.Helper()
	g := &lineGroup{c: c, topic: topic, group: group, members: map[string]*process{}, next: map[int32]int64{}, got: map[placed]bool{}}
	g.adm = kadm.NewClient(kgoClient(t, c))
	if _, err := g.adm.CreateTopic(t.Context(), partitions, -1, nil, topic); err != nil {
		t.Fatal(err)
	}
	c.created(t, topic)
	return g
}

func (g *lineGroup) join(t *testing.T, name string) {
	t.Helper()
	g.members[name] = spawn(t, name, g.member(name)...)
}

func (g *lineGroup) leave(t *testing.T, name string) {
	t.Helper()
	g.members[name].stop(t)
	delete(g.members, name)
}

// settled waits until the group is stable, with all partitions shared out among the members that there are.
func (g *lineGroup) settled(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, func() error {
		d, err := g.adm.DescribeGroups(t.Context(), g.group)
		if err != nil {
			return err
		}
		group := d[g.group]
		owned := 0
		for _, m := range group.Members {
			a, ok := m.Assigned.AsConsumer()
			if !ok || len(a.Topics) == 0 {
				return fmt.Errorf("%s has nothing", m.ClientID)
			}
			owned += len(a.Topics[0].Partitions)
		}
		if group.State != "Stable" || len(group.Members) != len(g.members) || owned != partitions {
			return fmt.Errorf("the group is %s with %d members and %d partitions", group.State, len(group.Members), owned)
		}
		return nil
	})
}

// step writes lines to the producer and follows them: through the topic, the members, the committed offsets.
func (g *lineGroup) step(t *testing.T, count int) {
	t.Helper()
	g.steps++
	byKey := byHandOrKey().ForTopic("")
	want := map[placed]record{}
	var lines strings.Builder
	for i := range count {
		r := record{Key: fmt.Appendf(nil, "k%d-%d", g.steps, i), Value: fmt.Appendf(nil, "step %d record %d", g.steps, i)}
		r.Partition = int32(byKey.Partition(&kgo.Record{Key: r.Key, Partition: -1}, partitions))
		r.Offset = g.next[r.Partition]
		g.next[r.Partition]++
		want[placed{r.Partition, r.Offset}] = r
		g.all = append(g.all, r)
		fmt.Fprintf(&lines, "%s:%s\n", r.Key, r.Value)
	}
	g.send(t, lines.String())
	stored := readAll(t, g.c, g.topic, len(g.all))
	same(t, "in the topic", withoutTimes(stored), g.all)
	var read []record
	eventually(t, 60*time.Second, func() error {
		for name, m := range g.members {
			for _, line := range m.take() {
				r, err := g.parse(line)
				if err != nil {
					t.Fatalf("member %s printed %q: %v", name, line, err)
				}
				if at := (placed{r.Partition, r.Offset}); g.got[at] {
					t.Errorf("record %v was handed out twice", at)
				} else {
					g.got[at] = true
				}
				read = append(read, r)
			}
		}
		if len(read) < count {
			return fmt.Errorf("the members printed %d records of %d", len(read), count)
		}
		return nil
	})
	fresh := []record{}
	for _, r := range stored {
		if _, ok := want[placed{r.Partition, r.Offset}]; ok {
			fresh = append(fresh, r)
		}
	}
	same(t, "printed by the members", read, fresh)
	g.committed(t)
}

func withoutTimes(rs []record) []record {
	out := make([]record, len(rs))
	for i, r := range rs {
		r.Timestamp = 0
		out[i] = r
	}
	return out
}

func (g *lineGroup) committed(t *testing.T) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		offsets, err := g.adm.FetchOffsets(t.Context(), g.group)
		if err != nil {
			return err
		}
		got := map[int32]int64{}
		for p, o := range offsets[g.topic] {
			got[p] = o.At
		}
		if !maps.Equal(got, g.next) {
			return fmt.Errorf("committed %v, want %v", got, g.next)
		}
		return nil
	})
}

func (g *lineGroup) firstLife(t *testing.T) {
	g.join(t, "one")
	g.join(t, "two")
	g.settled(t)
	g.step(t, 60)
}

func (g *lineGroup) secondLife(t *testing.T) {
	g.settled(t)
	g.step(t, 60)
	g.leave(t, "two")
	g.settled(t)
	g.step(t, 30)
}

func (g *lineGroup) thirdLife(t *testing.T) {
	g.settled(t)
	g.step(t, 30)
	g.leave(t, "one")
	g.join(t, "three")
	g.settled(t)
	g.step(t, 30)
	g.leave(t, "three")
}
