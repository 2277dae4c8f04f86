package compat

import (
	"crypto/rand"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// story is what one client goes through. Its three parts lie before, between and after two restarts of all brokers,
// and the clients live through them: producers, group members and, for the command line tools, whole processes.
type story interface {
	// firstLife makes topics, produces, reads back, and leaves two group members at work.
	firstLife(t *testing.T)
	// secondLife goes on after a clean stop and a start.
	secondLife(t *testing.T)
	// thirdLife goes on after kill -9 and a start, and tidies up.
	thirdLife(t *testing.T)
}

// clients are all that are tested. open skips the test when its client is not installed; what it starts ends with
// the test that it is given.
var clients = []struct {
	name string
	open func(t *testing.T, c *cluster) story
}{
	{"franz-go", func(t *testing.T, c *cluster) story {
		return newLibrary(c, "franz-go", startFranz(t, c), "none", "gzip", "snappy", "lz4", "zstd")
	}},
	{"java", func(t *testing.T, c *cluster) story {
		return newLibrary(c, "java", startJava(t, c), "none", "gzip", "snappy", "lz4", "zstd")
	}},
	{"kafkajs", func(t *testing.T, c *cluster) story {
		return newLibrary(c, "kafkajs", startKafkaJS(t, c), "none", "gzip", "snappy")
	}},
	{"confluent-python", func(t *testing.T, c *cluster) story {
		return newLibrary(c, "confluent-python", startPython(t, c), "none", "gzip", "snappy", "lz4", "zstd")
	}},
	{"kcat", newKcat},
	{"kafka-cli", newTools},
}

// TestClients takes all clients through their stories at the same time, on the same brokers, which restart when all
// have come to the same point.
func TestClients(t *testing.T) {
	c := startCluster(t)
	if !c.canRestart() {
		t.Log("LOGARIUM_COMPAT_RESTART is not set: the stories go on without a restart")
	}
	m := newMeeting(func(round int) error {
		return c.restart([]syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[round])
	})
	t.Run("all", func(t *testing.T) {
		for _, client := range clients {
			t.Run(client.name, func(t *testing.T) {
				m.join() // all join before the first goes on: the sub-tests run one by one as far as t.Parallel
				t.Parallel()
				defer m.leave()
				s := client.open(t, c)
				s.firstLife(t)
				restarted(t, m, "a clean restart")
				s.secondLife(t)
				restarted(t, m, "kill -9")
				s.thirdLife(t)
			})
		}
	})
}

// restarted waits for the others and for what happens when all are there.
func restarted(t *testing.T, m *meeting, what string) {
	t.Helper()
	if t.Failed() {
		t.FailNow()
	}
	if err := m.arrive(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	t.Logf("after %s", what)
}

// meeting lets something happen each time that all parties have arrived. A party that fails or skips leaves.
type meeting struct {
	happens func(round int) error

	mu               sync.Mutex
	parties, arrived int
	round            int
	next             *outcome
}

type outcome struct {
	done chan struct{}
	err  error // read after done
}

func newMeeting(happens func(round int) error) *meeting {
	return &meeting{happens: happens, next: &outcome{done: make(chan struct{})}}
}

func (m *meeting) join() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parties++
}

func (m *meeting) arrive() error {
	m.mu.Lock()
	o := m.next
	m.arrived++
	m.beginIfComplete()
	m.mu.Unlock()
	<-o.done
	return o.err
}

func (m *meeting) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.parties--
	m.beginIfComplete()
}

func (m *meeting) beginIfComplete() {
	if m.arrived == 0 || m.arrived < m.parties {
		return
	}
	o, round := m.next, m.round
	m.arrived, m.round, m.next = 0, m.round+1, &outcome{done: make(chan struct{})}
	go func() {
		defer close(o.done)
		o.err = m.happens(round)
	}()
}

// unique makes a name that no earlier run has used on the same cluster.
func unique(name string) string {
	return "compat-" + name + "-" + strings.ToLower(rand.Text()[:6])
}
