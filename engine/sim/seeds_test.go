//go:build synctests

package sim_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	seeds = flag.Uint64("seeds", 1, "how many seeds to run each profile with")
	from  = flag.Uint64("from", 0, "the first seed")
	spend = flag.Duration("for", 0, "run one seed after the other for so long instead")
	lines = flag.Int("lines", 120, "how many lines of history to print after a failure")
)

const (
	// bound is the virtual time that a run may take, whatever happens.
	bound = 100 * time.Hour
	// patient is the real time that a run may take: a lock that is held by
	// somebody who waits stops virtual time.
	patient = time.Minute
)

// TestCluster plays every profile with a number of seeds. A failure tells how
// to play its seed again.
func TestCluster(t *testing.T) {
	started := time.Now()
	n := *seeds
	if testing.Short() {
		n = min(n, 1)
	}
	for seed := *from; seed < *from+n || time.Since(started) < *spend; seed++ {
		for _, p := range profiles {
			t.Run(fmt.Sprintf("%s/seed_%d", p.name, seed), func(t *testing.T) { playSeed(t, p, seed) })
		}
	}
}

func playSeed(t *testing.T, p profile, seed uint64) {
	var ticks atomic.Int64
	done := make(chan struct{})
	defer close(done)
	go watchTime(&ticks, done, func() string {
		return fmt.Sprintf("%s: virtual time stands still; again: %s", t.Name(), replay(p, seed))
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), bound, fmt.Errorf("%v have passed", bound))
		defer cancel()
		w := sim.New(seed)
		go func() {
			for ctx.Err() == nil {
				ticks.Add(1)
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
				}
			}
		}()
		play(ctx, w, p)
		broken := w.Ledger.Violations()
		for _, v := range broken {
			t.Error(v)
		}
		if len(broken) > 0 {
			t.Errorf("again: %s\nwhat happened:\n%s", replay(p, seed), w.Last(*lines))
		}
	})
}

// watchTime ends the process, from outside of the bubble, when ticks stay away.
func watchTime(ticks *atomic.Int64, done <-chan struct{}, what func() string) {
	for last := int64(-1); ; {
		select {
		case <-done:
			return
		case <-time.After(patient):
		}
		now := ticks.Load()
		if now == last {
			panic(what() + "\n\n" + busy())
		}
		last = now
	}
}

// busy returns the stacks of the goroutines that keep virtual time from going
// on, and of those that sleep, which may hold what the others wait for.
func busy() string {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var out []string
	for _, g := range strings.Split(string(stacks), "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if strings.Contains(head, "synctest bubble") && (!strings.Contains(head, "durable") || strings.Contains(head, "[sleep")) {
			out = append(out, g)
		}
	}
	return strings.Join(out, "\n\n")
}

// replay is the command that plays a seed again.
func replay(p profile, seed uint64) string {
	return fmt.Sprintf("go test -tags synctests ./engine/sim -run 'TestCluster/%s/seed_%d$' -from %d -seeds 1", p.name, seed, seed)
}
