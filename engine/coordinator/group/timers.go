package group

import (
	"container/heap"
	"time"
)

// timer is one deadline. Its zero value is not scheduled.
//
// A deadline that moves away, as each heartbeat moves its member's, is only
// written down: the heap still wakes for the earlier time, sees that it is not
// due and moves it. So a heartbeat costs one store and not a heap operation.
type timer struct {
	due  time.Time // when to fire
	at   time.Time // where the heap has it, never after due
	slot int       // position in the heap plus one, 0: not scheduled
	fire func(now time.Time)
}

// timers is a heap of deadlines by timer.at.
type timers []*timer

func (t *timers) schedule(tm *timer, due time.Time) {
	tm.due = due
	switch {
	case tm.slot == 0:
		tm.at = due
		heap.Push(t, tm)
	case due.Before(tm.at):
		tm.at = due
		heap.Fix(t, tm.slot-1)
	}
}

func (t *timers) cancel(tm *timer) {
	if tm.slot != 0 {
		heap.Remove(t, tm.slot-1)
	}
}

// next returns when run has something to look at.
func (t timers) next() (time.Time, bool) {
	if len(t) == 0 {
		return time.Time{}, false
	}
	return t[0].at, true
}

// run fires what is due at now.
func (t *timers) run(now time.Time) {
	for len(*t) > 0 && !(*t)[0].at.After(now) {
		tm := (*t)[0]
		if tm.due.After(now) {
			tm.at = tm.due
			heap.Fix(t, 0)
			continue
		}
		heap.Remove(t, 0)
		tm.fire(now)
	}
}

// Len implements heap.Interface.
func (t timers) Len() int { return len(t) }

// Less implements heap.Interface.
func (t timers) Less(i, j int) bool { return t[i].at.Before(t[j].at) }

// Swap implements heap.Interface.
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].slot, t[j].slot = i+1, j+1
}

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	tm := x.(*timer)
	*t = append(*t, tm)
	tm.slot = len(*t)
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	old := *t
	tm := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	tm.slot = 0
	return tm
}
