package netx_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/logarium/logarium/engine/netx"
)

// trip starts a trip and returns where its outcome will be.
func trip(ctx context.Context, l *netx.Links, from, to int32) <-chan error {
	done := make(chan error, 1)
	go func() { done <- l.Trip(ctx, from, to) }()
	return done
}

// pending fails the test if a trip has ended.
func pending(t *testing.T, what string, done <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		t.Fatalf("%s: the trip ended with %v", what, err)
	default:
	}
}

// ended fails the test if a trip has not ended by now, with that error.
func ended(t *testing.T, what string, done <-chan error, want error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-done:
		if !errors.Is(err, want) {
			t.Fatalf("%s: the trip ended with %v, want %v", what, err, want)
		}
	default:
		t.Fatalf("%s: the trip goes on", what)
	}
}

func TestLinks_Trip(t *testing.T) {
	tests := map[string]func(t *testing.T, l *netx.Links){
		"healthy": func(t *testing.T, l *netx.Links) {
			ended(t, "at once", trip(t.Context(), l, 1, 2), nil)
		},
		"slow one way": func(t *testing.T, l *netx.Links) {
			l.SetDelay(1, 2, time.Second)
			ended(t, "the way back", trip(t.Context(), l, 2, 1), nil)
			done := trip(t.Context(), l, 1, 2)
			time.Sleep(time.Second - 1)
			pending(t, "before the delay", done)
			time.Sleep(time.Nanosecond)
			ended(t, "after the delay", done, nil)
			l.SetDelay(1, 2, 0)
			ended(t, "fast again", trip(t.Context(), l, 1, 2), nil)
		},
		"cut, and healed": func(t *testing.T, l *netx.Links) {
			l.Cut(1, 2)
			ended(t, "the way back", trip(t.Context(), l, 2, 1), nil)
			ended(t, "another link", trip(t.Context(), l, 1, 3), nil)
			done := trip(t.Context(), l, 1, 2)
			time.Sleep(time.Hour)
			pending(t, "while cut", done)
			l.Heal(1, 2)
			ended(t, "healed", done, nil)
		},
		"cut on the way": func(t *testing.T, l *netx.Links) {
			l.SetDelay(1, 2, time.Second)
			done := trip(t.Context(), l, 1, 2)
			time.Sleep(time.Second / 2)
			l.Cut(1, 2)
			time.Sleep(time.Hour)
			pending(t, "while cut", done)
			l.HealAll()
			ended(t, "healed", done, nil)
		},
		"down": func(t *testing.T, l *netx.Links) {
			l.SetDown(2, true)
			ended(t, "to it", trip(t.Context(), l, 1, 2), netx.ErrDown)
			ended(t, "from it", trip(t.Context(), l, 2, 1), netx.ErrDown)
			ended(t, "between others", trip(t.Context(), l, 1, 3), nil)
			l.SetDown(2, false)
			ended(t, "up again", trip(t.Context(), l, 1, 2), nil)
		},
		"down and up on the way": func(t *testing.T, l *netx.Links) {
			l.Cut(1, 2)
			done := trip(t.Context(), l, 1, 2)
			pending(t, "while cut", done)
			l.SetDown(2, true)
			l.SetDown(2, false)
			ended(t, "reset", done, netx.ErrDown)
		},
		"paused": func(t *testing.T, l *netx.Links) {
			l.SetPaused(1, true)
			to, from := trip(t.Context(), l, 2, 1), trip(t.Context(), l, 1, 2)
			time.Sleep(time.Hour)
			pending(t, "to it", to)
			pending(t, "from it", from)
			l.SetPaused(1, false)
			ended(t, "to it", to, nil)
			ended(t, "from it", from, nil)
		},
		"the context ends": func(t *testing.T, l *netx.Links) {
			l.Cut(1, 2)
			ctx, cancel := context.WithCancel(t.Context())
			done := trip(ctx, l, 1, 2)
			pending(t, "while cut", done)
			cancel()
			ended(t, "cancelled", done, context.Canceled)
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, netx.NewLinks()) })
		})
	}
}

func TestLinks_PostKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := netx.NewLinks()
		var mu sync.Mutex // for the directions run side by side
		var got []string
		arrived := func(s string) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, s)
		}
		post := func(s string) { l.Post(1, 2, func() { arrived(s) }) }
		check := func(when string, want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(got, want) {
				t.Fatalf("%s: %v, want %v", when, got, want)
			}
		}
		post("a")
		check("a healthy link", "a")
		l.SetDelay(1, 2, time.Second)
		post("b")
		time.Sleep(100 * time.Millisecond)
		l.SetDelay(1, 2, 300*time.Millisecond)
		post("c")
		l.HealAll()
		post("d")
		check("under way", "a")
		l.Post(2, 1, func() { arrived("back") })
		check("the way back", "a", "back")
		time.Sleep(900 * time.Millisecond)
		check("arrived", "a", "back", "b", "c", "d")
		post("e")
		check("healthy again", "a", "back", "b", "c", "d", "e")
	})
}

func TestLinks_PostIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, broken := range map[string]func(l *netx.Links) (mend func()){
			"cut":    func(l *netx.Links) func() { l.Cut(1, 2); return func() { l.Heal(1, 2) } },
			"down":   func(l *netx.Links) func() { l.SetDown(2, true); return func() { l.SetDown(2, false) } },
			"paused": func(l *netx.Links) func() { l.SetPaused(1, true); return func() { l.SetPaused(1, false) } },
		} {
			l := netx.NewLinks()
			count := 0
			mend := broken(l)
			l.Post(1, 2, func() { t.Errorf("%s: delivered", name) })
			mend()
			l.SetDelay(1, 2, time.Second)
			l.Post(1, 2, func() { count++ })
			time.Sleep(time.Second / 2)
			mend = broken(l) // on the way
			time.Sleep(time.Second / 2)
			synctest.Wait()
			mend()
			l.SetDelay(1, 2, time.Second)
			l.Post(1, 2, func() { count += 10 })
			time.Sleep(time.Second)
			synctest.Wait()
			if count != 10 {
				t.Errorf("%s: count %d, want 10", name, count)
			}
		}
	})
}

func TestLinks_WatchersLearnWhoIsDown(t *testing.T) {
	l := netx.NewLinks()
	var got []string
	stop := l.Watch(func(id int32, down bool) { got = append(got, fmt.Sprint(id, down)) })
	l.SetDown(2, true)
	l.SetDown(2, true)
	l.SetPaused(3, true)
	l.Cut(1, 2)
	if !l.Down(2) || l.Down(3) || !l.Paused(3) || l.Paused(2) {
		t.Error("Down and Paused do not say what was set")
	}
	l.SetDown(2, false)
	stop()
	l.SetDown(1, true)
	if want := []string{"2 true", "2 false"}; !slices.Equal(got, want) {
		t.Errorf("told %v, want %v", got, want)
	}
}

// A broker that is down elsewhere must not make a healthy link dear.
func TestLinks_HealthyLinkAllocatesNothing(t *testing.T) {
	for name, set := range map[string]func(l *netx.Links){
		"all healthy":   func(*netx.Links) {},
		"another down":  func(l *netx.Links) { l.SetDown(3, true) },
		"the other way": func(l *netx.Links) { l.Cut(2, 1) },
	} {
		l := netx.NewLinks()
		set(l)
		ctx, deliver := t.Context(), func() {}
		if n := testing.AllocsPerRun(100, func() {
			if err := l.Trip(ctx, 1, 2); err != nil {
				t.Fatal(err)
			}
			l.Post(1, 2, deliver)
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkLinks_Trip(b *testing.B) {
	l := netx.NewLinks()
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Trip(ctx, 1, 2); err != nil {
			b.Fatal(err)
		}
	}
}
