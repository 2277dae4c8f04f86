package ui

import "strings"

// Figure is a number that may be unknown; then Why is the reason.
type Figure struct {
	N   int64
	Why string
}

// Known tells whether N counts.
func (f Figure) Known() bool { return f.Why == "" }

// Replica is one replica of a partition, as a coloured letter.
type Replica struct {
	Broker int32
	Place  int // of the broker among all brokers; −1: it is not there
	Leader bool
	InSync bool

	Offline   bool // its broker is down, or its log failed
	Preferred bool // the first replica: it leads when it can
}

func (r Replica) class() string {
	var b strings.Builder
	b.WriteString("swatch")
	if r.Place >= 0 {
		b.WriteString(" " + Letter(r.Place))
	}
	switch {
	case r.Offline:
		b.WriteString(" offline")
	case !r.InSync:
		b.WriteString(" out")
	case !r.Leader:
		b.WriteString(" follower")
	}
	return b.String()
}

func (r Replica) title() string {
	words := "in sync"
	switch {
	case r.Place < 0:
		words = "the broker is not there"
	case r.Offline:
		words = "offline"
	case r.Leader:
		words = "leader"
	case !r.InSync:
		words = "out of sync"
	}
	if r.Preferred {
		words += ", preferred leader"
	}
	return "Broker " + Count(r.Broker) + ": " + words
}

// Sort is one sortable column of a table.
type Sort struct {
	Label string
	Href  string // sorts by this column, or the other way round
	Dir   string // "ascending" or "descending" if the table is sorted by it, else ""
	Num   bool
	Title string
}

// Tab is one tab of a page.
type Tab struct {
	Label, Href string
	Current     bool
	Count       string // shown beside the label, "" for none
}

// Crumb is one step of the way to a page.
type Crumb struct {
	Label, Href string
}

// Option is one choice of a select.
type Option struct {
	Value, Label string
}
