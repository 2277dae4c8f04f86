package sim

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/logarium/logarium/engine/event"
)

// maxLines is how many lines a Chronicle keeps of each kind: faults, the state
// events of the engine, and what it logs.
const maxLines = 2000

// Chronicle is what happened, in words: what the test did, what the engine
// told as events, and what it logged as a warning or worse.
type Chronicle struct {
	now func() time.Duration

	mu    sync.Mutex
	lines []line
}

type line struct {
	at   time.Duration
	text string
}

func newChronicle(now func() time.Duration) *Chronicle { return &Chronicle{now: now} }

// Note writes a line.
func (c *Chronicle) Note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lines) == maxLines {
		c.lines = slices.Delete(c.lines, 0, maxLines/2)
	}
	c.lines = append(c.lines, line{c.now(), fmt.Sprintf(format, args...)})
}

// quiet are the events that say little about what went wrong.
var quiet = []event.Kind{event.ClientConnected, event.ClientGone, event.SegmentRolled, event.ConfigChanged, event.AssignmentChanged}

// Follow writes the events of a hub, and hands them on, until ctx ends.
func (c *Chronicle) Follow(ctx context.Context, hub *event.Hub, told func(event.State)) {
	for seq := uint64(0); ; {
		changed := hub.Changed()
		events, _ := hub.Since(seq, event.RingSize)
		for _, e := range events {
			seq = e.Seq
			if told != nil {
				told(e)
			}
			if !slices.Contains(quiet, e.Kind) {
				c.Note("      %s", describe(e))
			}
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// describe puts an event into a line.
func describe(e event.State) string {
	out := string(e.Kind)
	if e.Topic != "" {
		out += " " + e.Topic
		if e.Partition >= 0 {
			out += fmt.Sprint("-", e.Partition)
		}
	}
	if e.Group != "" {
		out += " " + e.Group
	}
	if e.Broker >= 0 {
		out += fmt.Sprint(" broker ", e.Broker)
	}
	if e.Epoch > 0 {
		out += fmt.Sprint(" epoch ", e.Epoch)
	}
	if e.A != 0 || e.B != 0 {
		out += fmt.Sprintf(" (%d, %d)", e.A, e.B)
	}
	return strings.TrimSpace(out + " " + e.Text)
}

// Last returns the newest lines.
func (c *Chronicle) Last(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out strings.Builder
	for _, l := range c.lines[max(0, len(c.lines)-n):] {
		fmt.Fprintf(&out, "%9.3fs  %s\n", l.at.Seconds(), l.text)
	}
	return out.String()
}

// Logger returns a logger that writes warnings and errors here.
func (c *Chronicle) Logger() *slog.Logger { return slog.New(&chronicler{to: c}) }

// chronicler is the slog.Handler of a Chronicle.
type chronicler struct {
	to    *Chronicle
	attrs []slog.Attr
}

func (h *chronicler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func (h *chronicler) Handle(_ context.Context, r slog.Record) error {
	var out strings.Builder
	out.WriteString(r.Message)
	for _, a := range h.attrs {
		fmt.Fprintf(&out, " %s", a)
	}
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&out, " %s", a)
		return true
	})
	h.to.Note("      %s: %s", strings.ToLower(r.Level.String()), out.String())
	return nil
}

func (h *chronicler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &chronicler{to: h.to, attrs: slices.Concat(h.attrs, attrs)}
}

func (h *chronicler) WithGroup(string) slog.Handler { return h }
