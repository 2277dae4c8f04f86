package group

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// durable is what of a machine outlives it.
type durable struct {
	Groups  map[string]*kmsg.GroupMetadataValue
	Offsets map[string]Offset
}

func durableOf(m *Machine) durable {
	d := durable{map[string]*kmsg.GroupMetadataValue{}, map[string]Offset{}}
	for id, g := range m.groups {
		if g.meta != nil {
			d.Groups[id] = g.meta
		}
		for tp, o := range g.offsets {
			d.Offsets[fmt.Sprintf("%s %s-%d", id, tp.topic, tp.partition)] = o
		}
	}
	return d
}

// TestReplay_EqualsLive runs random histories of commands, some of whose
// writes fail, and holds the durable state against one that is replayed from
// the encoded records, and the machine against what must always hold.
func TestReplay_EqualsLive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 60).Draw(rt, "commands") {
			line := drawCommand(rt, w)
			w.lines = nil
			w.run(line)
			checkMachine(rt, w.m, line)
			back := New(w.cfg)
			for _, r := range w.log {
				rec, err := Decode(r.Key(), r.Value())
				if err != nil {
					rt.Fatalf("after %q: %v", line, err)
				}
				back.Replay(rec)
			}
			if diff := cmp.Diff(durableOf(w.m), durableOf(back), records); diff != "" {
				rt.Fatalf("after %q live and replayed state differ:\n%s", line, diff)
			}
		}
		// Nobody may wait for ever.
		w.fail = 0
		w.lines = nil
		w.advance(3 * 60 * 60 * 1e9)
		for id, g := range w.m.groups {
			if len(g.members)+len(g.pending) > 0 {
				rt.Fatalf("group %s has members hours after the last request: %v", id, g.members)
			}
		}
	})
}

// drawCommand makes up the next line of a script.
func drawCommand(rt *rapid.T, w *world) string {
	group := rapid.SampledFrom([]string{"g", "h"}).Draw(rt, "group")
	ids := []string{"", "nobody"}
	generation := int32(1)
	if g := w.m.groups[group]; g != nil {
		generation = g.generation
		for _, mb := range g.order {
			ids = append(ids, mb.id, mb.id)
		}
	}
	member := rapid.SampledFrom(ids).Draw(rt, "member")
	if g := w.m.groups[group]; g != nil {
		for id := range g.pending {
			if rapid.Bool().Draw(rt, "use pending") {
				member = id
			}
			break
		}
	}
	instance := ""
	if rapid.IntRange(0, 3).Draw(rt, "static") == 0 {
		instance = " instance=" + rapid.SampledFrom([]string{"i", "j"}).Draw(rt, "instance")
	}
	who := fmt.Sprintf("group=%s member=%s gen=%d%s", group, member, generation, instance)
	switch rapid.IntRange(0, 11).Draw(rt, "command") {
	case 0, 1, 2:
		return fmt.Sprintf("join x %s v=%d protocols=%s", who, rapid.SampledFrom([]int{0, 3, 5, 9}).Draw(rt, "version"),
			rapid.SampledFrom([]string{"range", "range,sticky", "sticky"}).Draw(rt, "protocols"))
	case 3, 4, 5:
		return fmt.Sprintf("sync x %s assign=%s:t-0+u-1", who, member)
	case 6:
		return "heartbeat x " + who
	case 7:
		return "leave x " + who
	case 8:
		if rapid.Bool().Draw(rt, "simple") {
			who = "group=" + group
		}
		return fmt.Sprintf("commit x %s offsets=t-0:%d,u-1:3", who, rapid.IntRange(0, 9).Draw(rt, "offset"))
	case 9:
		return rapid.SampledFrom([]string{
			"delete-offsets x group=" + group + " of=t-0", "delete-groups x of=g,h", "forget-topic u", "set max=2", "set max=9", "set delay=2s",
		}).Draw(rt, "administration")
	case 10:
		return rapid.SampledFrom([]string{"fail KAFKA_STORAGE_ERROR", "fail", "fail", "restart"}).Draw(rt, "fault")
	default:
		return "advance " + rapid.SampledFrom([]string{"0s", "1s", "5s", "11s", "70s", "15m"}).Draw(rt, "time")
	}
}

// checkMachine holds a machine against what is always true of it.
func checkMachine(rt *rapid.T, m *Machine, line string) {
	for id, g := range m.groups {
		awaiting, support := 0, map[string]int{}
		for _, mb := range g.order {
			if g.members[mb.id] != mb {
				rt.Fatalf("after %q: %s/%s is in order and not a member", line, id, mb.id)
			}
			if mb.joining != nil {
				awaiting++
			}
			for _, p := range mb.protocols {
				support[p.name]++
			}
			if mb.session.slot == 0 && mb.joining == nil && mb.syncing == nil {
				rt.Fatalf("after %q: %s/%s has no session", line, id, mb.id)
			}
			if mb.instance != nil && g.static[*mb.instance] != mb.id {
				rt.Fatalf("after %q: instance %s of %s is %q and not %s", line, *mb.instance, id, g.static[*mb.instance], mb.id)
			}
		}
		switch {
		case len(g.order) != len(g.members) || awaiting != g.awaiting:
			rt.Fatalf("after %q: %s has %d in order, %d members, %d of %d joining", line, id, len(g.order), len(g.members), g.awaiting, awaiting)
		case !cmp.Equal(support, g.support):
			rt.Fatalf("after %q: %s supports %v, counted %v", line, id, g.support, support)
		case len(g.members) > 0 && g.members[g.leader] == nil:
			rt.Fatalf("after %q: %s is led by %q, who is no member", line, id, g.leader)
		case g.state == Empty && len(g.members) > 0, g.state == Stable && len(g.members) == 0:
			rt.Fatalf("after %q: %s is %v with %d members", line, id, g.state, len(g.members))
		case g.state == PreparingRebalance && g.join.slot == 0:
			rt.Fatalf("after %q: %s prepares a rebalance without end", line, id)
		case g.state == CompletingRebalance && g.sync.slot == 0 && len(g.unsynced) > 0:
			rt.Fatalf("after %q: %s waits for assignments without end", line, id)
		case g.state == Empty && g.meta == nil && len(g.offsets) == 0 && len(g.pending) == 0:
			rt.Fatalf("after %q: %s is of no use to anybody", line, id)
		}
	}
	for i, t := range m.timers {
		if t.slot != i+1 || t.at.After(t.due) {
			rt.Fatalf("after %q: timer %d has slot %d, at %v, due %v", line, i, t.slot, t.at, t.due)
		}
	}
}

func TestReplay_TombstonesAndUnknownGroups(t *testing.T) {
	w := newWorld(t)
	w.m.Replay(OffsetRecord{Group: "nobody", Topic: "t"})
	w.m.Replay(GroupRecord{Group: "nobody"})
	if len(w.m.groups) != 0 {
		t.Fatalf("tombstones made groups: %v", w.m.groups)
	}
	if _, err := Decode([]byte{0, 3, 0, 1, 'g'}, nil); err == nil || !strings.Contains(err.Error(), "key version 3") {
		t.Fatalf("a record of KIP-848 gives %v", err)
	}
}
