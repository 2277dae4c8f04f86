package page

import "github.com/logarium/logarium/templates/ui"

// BrokersModel is the list of brokers.
type BrokersModel struct {
	Rows            []BrokerRow
	Up              int
	ClusterID       string
	Version         string // of Kafka, guessed by what the brokers offer
	Topics          int
	Partitions      int
	Online          int
	InSync          int
	Replicas        int
	UnderReplicated int
	NotPreferred    int
	MayElect        string // why preferred leaders cannot be elected, "" if they can
	Durability      Durability
	Quorum          QuorumModel
	Problems        []BrokerProblem
	Refresh         string
	Failure         string
}

// BrokerRow is one broker.
type BrokerRow struct {
	ID                      int32
	Place                   int
	Href                    string
	Host                    string
	Port                    int32
	Rack                    string
	State                   string // as its own program says it, or up, fenced or away
	Fenced                  bool
	Cause                   string // why it failed
	Acts                    []BrokerAct
	Controller              bool
	Leaders                 int
	Replicas                int
	InSync                  int
	LeaderSkew, ReplicaSkew string // such as "+14 %", "" if it is small
	Size                    ui.Figure
}

// Up tells whether clients are served.
func (r BrokerRow) Up() bool { return r.State == "up" || r.State == "running" || r.State == "draining" }

// Serves tells whether it runs, so that being fenced is a thing to tell.
func (r BrokerRow) Serves() bool { return r.Up() || r.State == "starting" || r.State == "paused" }

// BrokerAct is something that can be done with a broker.
type BrokerAct struct {
	Name, Label string
	Asks        bool // it is confirmed first
	Harsh       bool
}

// BrokerProblem is something that is broken, and what to do.
type BrokerProblem struct {
	What, Todo string
}

// QuorumModel is the metadata quorum.
type QuorumModel struct {
	Why           string // it is not known for this reason
	Leader        int32
	Epoch         int32
	HighWatermark int64
	Rows          []QuorumRow
}

// QuorumRow is one copy of the metadata log.
type QuorumRow struct {
	ID          int32
	Place       int
	Role        string
	Away        bool // it is not among the brokers that serve clients
	LogEnd, Lag ui.Figure
	CaughtUp    string
}

// BrokerModel is one broker.
type BrokerModel struct {
	Row         BrokerRow
	Partitions  []BrokerPartition
	More        int // partitions that the table leaves out
	Dirs        []DirRow
	DirsWhy     string
	Problems    []BrokerProblem
	Durability  Durability
	Settings    []SettingRow
	Search      string
	Failure     string // of the settings
	Unreachable string // why the cluster could not be asked
	Refresh     string
}

// BrokerPartition is a replica on a broker.
type BrokerPartition struct {
	Topic, Href string
	Partition   int32
	Leader      bool
	Preferred   bool
	LeaderID    int32
	LeaderPlace int
	InSync      bool
	Offline     bool
	Size        ui.Figure
}

// DirRow is a folder of logs.
type DirRow struct {
	Path, Problem, Bytes, Disk string
	Replicas                   int
}

// BrokerActModel asks before something is done with a broker.
type BrokerActModel struct {
	ID         int32
	Place      int
	Act        BrokerAct
	Action     string // where the form is sent
	Next       string
	Unknown    string // why it cannot be foreseen
	Failure    string
	Durability string
	Controller bool // it is the active controller
	QuorumLost bool
	Last       bool // no other broker serves clients
	Leads      int
	Leaderless []PartitionRef // they stay without a leader
	BelowMin   []PartitionRef // they fall below min.insync.replicas

	LeaderlessMore, BelowMinMore int // beyond those listed
}

// PartitionRef is a partition in a sentence.
type PartitionRef struct {
	Name, Href, Why string
}

// Moves is how many partitions another broker will lead.
func (m BrokerActModel) moves() int { return m.Leads - len(m.Leaderless) - m.LeaderlessMore }

// sentence says what the act is.
func (m BrokerActModel) sentence() string {
	switch m.Act.Name {
	case "stop":
		const what = "It hands over the partitions that it leads, writes everything to disk and ends."
		if m.Last || m.QuorumLost || m.moves() < m.Leads || m.Unknown != "" {
			return what
		}
		return what + " Clients notice nothing but a change of leaders."
	case "kill":
		return "As if its power was cut: connections break off, nothing is handed over and nothing is flushed. Another broker takes over once the loss is noticed."
	case "pause":
		return "It hangs: it neither reads nor answers, and its connections stay open. The controller fences it when its heartbeats are missed, and clients wait until then."
	case "resume":
		return "It goes on where it was, learns what it missed, and catches up."
	case "start":
		return "It recovers its logs, fetches from the leaders what it lacks and joins the in-sync replicas again."
	}
	return ""
}

// promise says what happens to what was acknowledged when power fails.
func (m BrokerActModel) promise() string {
	if m.Act.Name != "kill" {
		return ""
	}
	switch m.Durability {
	case "group", "always":
		return "Whatever was acknowledged with acks=all is on disk, and stays."
	case "os":
		return "Durability is “os”: what this broker had not handed to the disk is lost on it. Acknowledged records live on in the other in-sync replicas, where there are any."
	case "memory":
		return "Durability is “memory”: this broker forgets everything that it holds. Acknowledged records live on in the other in-sync replicas, where there are any."
	}
	return ""
}

// stateKind is the colour of a broker's state.
func stateKind(state string) string {
	switch state {
	case "up", "running":
		return "ok"
	case "starting", "draining", "paused", "fenced":
		return "warn"
	case "failed", "killed", "away":
		return "bad"
	}
	return "outline"
}

// stateTitle says what a broker's state means.
func stateTitle(state string) string {
	switch state {
	case "up", "running":
		return "It serves clients."
	case "starting":
		return "It recovers its logs and registers with the controller."
	case "draining":
		return "It hands over what it leads, and will stop."
	case "stopped":
		return "It was stopped in order."
	case "killed":
		return "It was killed as by a power failure."
	case "paused":
		return "It hangs: it neither reads nor answers."
	case "failed":
		return "It cannot go on by itself."
	case "fenced":
		return "It runs and is not served to clients: it missed heartbeats, or is still catching up."
	case "away":
		return "Replicas are assigned to it, and the cluster has no such broker now."
	}
	return ""
}

// Durability is what an acknowledgement waits for: "group", "always", "os" or
// "memory"; "" is not known.
type Durability string

func (d Durability) kind() string {
	switch d {
	case "group", "always":
		return "ok"
	case "os":
		return "warn"
	}
	return "bad"
}

func (d Durability) label() string {
	switch d {
	case "group":
		return "synced in groups"
	case "always":
		return "synced each"
	case "os":
		return "not power-safe"
	}
	return "in memory only"
}
