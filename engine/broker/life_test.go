package broker

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// A paused broker is like a process that was sent SIGSTOP: connections and
// requests are taken by the kernel, and answered when it goes on.
func TestBroker_PausedAnswersNothingUntilItGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T, n *testNode) {
		open := n.dial()
		open.ask(kmsg.NewPtrApiVersionsRequest())
		if !n.broker.gate.Shut() || n.broker.gate.Shut() {
			t.Fatal("a gate shuts once")
		}
		late := n.dial() // the kernel takes it
		var answered atomic.Int32
		for _, r := range []*raw{open, late} {
			go func() {
				req := kmsg.NewPtrApiVersionsRequest()
				if _, err := r.tryReceive(req, r.send(req)); err != nil {
					t.Error(err)
				}
				answered.Add(1)
			}()
		}
		time.Sleep(time.Hour) // longer than an idle connection is kept
		if got := answered.Load(); got != 0 {
			t.Fatalf("a paused broker gave %d answers", got)
		}
		if !n.broker.gate.Open() || n.broker.gate.Open() {
			t.Fatal("a gate opens once")
		}
		synctest.Wait()
		if got := answered.Load(); got != 2 {
			t.Fatalf("%d answers after the pause", got)
		}
	})
}

func TestBroker_KillResetsConnections(t *testing.T) {
	for name, before := range map[string]func(n *testNode){
		"running":  func(*testNode) {},
		"paused":   func(n *testNode) { n.broker.gate.Shut() },
		"draining": func(n *testNode) { go func() { _ = n.broker.Close(context.Background()) }() },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *testNode) {
				topic := n.createTopic("t", 1)
				r := n.dial()
				req := fetchRequest(13, want{topic: topic})
				req.MinBytes, req.MaxWaitMillis = 1, 60_000
				r.send(req)
				synctest.Wait()
				before(n)
				started := time.Now()
				must(t, n.broker.Kill())
				if took := time.Since(started); took > 0 {
					t.Errorf("killing took %v", took)
				}
				_, err := io.ReadAll(r.nc) // one that drains may have answered already
				if name != "draining" && !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the client got %v", err)
				}
				if _, err := n.network.Dial(t.Context(), n.address); !errors.Is(err, syscall.ECONNREFUSED) {
					t.Errorf("connecting to a killed broker: %v", err)
				}
				n.broker.gate.Open()
			})
		})
	}
}
