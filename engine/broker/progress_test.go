package broker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestBroker_AnswersToChangesWaitForTheOthers(t *testing.T) {
	for name, c := range map[string]struct {
		paused  bool
		after   time.Duration // when the other broker has followed; 0: it never does
		settled time.Duration
	}{
		"another follows":         {after: 100 * time.Millisecond, settled: 100 * time.Millisecond},
		"another does not follow": {settled: settleTimeout},
		"another is paused":       {paused: true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, n *testNode) {
				gate := new(Gate)
				if c.paused {
					gate.Shut()
				}
				n.broker.progress.set(2, 0, gate)
				go func() {
					time.Sleep(c.after)
					if c.after > 0 {
						n.broker.progress.set(2, 1<<40, gate)
					}
				}()
				started := time.Now()
				n.broker.settle(context.Background())
				if took := time.Since(started); took != c.settled {
					t.Errorf("settled after %v, want %v", took, c.settled)
				}
				synctest.Wait()
			})
		})
	}
}
