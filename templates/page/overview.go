package page

import (
	"fmt"
	"time"
)

// OverviewModel is the first state of the overview: whole without script, and
// kept fresh by it.
type OverviewModel struct {
	Tiles      []Tile
	Map        MapModel
	Charts     []Chart
	Lags       []LagRow
	Messages   []Message
	MessageErr string // why the newest messages are not there
	Events     []Event
	Empty      bool   // no topic of a user's own yet
	Journal    string // why nothing can be acknowledged, "" if it can
}

// Tile is one figure. Key is what the script calls it.
type Tile struct {
	Label, Key, Value string
	AllKey, All       string // the figure of which Value is a part, if there is one
	Unit              string
	Warn              bool
}

// MapModel is the table that says what the map draws.
type MapModel struct {
	Partitions []PartitionLine
	More       int // partitions beyond those listed
	Clients    []ClientLine
}

// PartitionLine is one partition.
type PartitionLine struct {
	Name, Leader, InSync, Start, HW, In, Out string
}

// ClientLine is one client in one direction.
type ClientLine struct {
	Name, Role, Software, Rate, Records string
}

// Chart is one graph with the picture that stands for it until the script runs.
type Chart struct {
	Key, Title string
	Note       string
	Lines      []ChartLine
	Top        string // what the upper edge stands for
	Span       string // how far back it reaches
}

// ChartLine is one line of a graph in a box of ChartWidth by ChartHeight.
type ChartLine struct {
	Name, Class, Newest string
	Path                string // SVG path data
}

// The box in which the pictures of the graphs are drawn.
const (
	ChartWidth  = 600
	ChartHeight = 140
)

// LagRow is one consumer group.
type LagRow struct {
	Group, Href, State, Members, Topics, Lag string
	Behind                                   bool
}

// Message is one record.
type Message struct {
	Time               time.Time
	Href, Where        string
	Key, Value         string
	NullKey, NullValue bool
	Size               string
}

// Event is one state event.
type Event struct {
	Seq  uint64
	Time time.Time
	Kind string // its first part, such as "topic"
	Text string
	More int // of the same kind that came with it
}

// more tells of the events that are folded into one.
func (e Event) more() string {
	if e.More == 0 {
		return ""
	}
	return fmt.Sprintf(" · and %d more", e.More)
}

func viewBox() string { return fmt.Sprintf("0 0 %d %d", ChartWidth, ChartHeight) }

func clockOf(t time.Time) string { return t.UTC().Format("15:04:05") }

func isoOf(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
