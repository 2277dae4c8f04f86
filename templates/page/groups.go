package page

import "github.com/logarium/logarium/templates/ui"

// GroupsModel is the list of consumer groups.
type GroupsModel struct {
	Search   string
	Sort     string
	Dir      string
	Heads    []ui.Sort
	Rows     []GroupRow
	Total    int
	Matching int
	Page     int
	Pages    int
	Prev     string
	Next     string
	Refresh  string
	Failure  string
}

// GroupRow is one group of a list.
type GroupRow struct {
	ID, Href    string
	State       string
	Type        string
	Coordinator int32 // −1: unknown
	Place       int   // of the coordinator among the brokers
	Members     int
	Topics      []string
	Lag         ui.Figure
	Problem     string
}

// GroupModel is one group.
type GroupModel struct {
	ID, Href    string
	State       string
	Type        string
	Protocol    string
	Coordinator int32
	Place       int
	Lag         ui.Figure
	Uncommitted int // partitions with records that the lag leaves out
	Members     []MemberRow
	Topics      []GroupTopic
	Assigned    int
	Refresh     string
	Problem     string
	MayDelete   string // why it cannot be deleted, "" if it can
}

// MemberRow is a member of a group.
type MemberRow struct {
	ID, Instance, Client, Host string
	Assigned                   []GroupTopicPartitions
	Partitions                 int
}

// GroupTopicPartitions are partitions of one topic.
type GroupTopicPartitions struct {
	Topic, Href string
	Partitions  string
}

// GroupTopic is where a group stands in a topic.
type GroupTopic struct {
	Topic, Href string
	Lag         ui.Figure
	Uncommitted int
	Partitions  []GroupPartitionRow
}

// GroupPartitionRow is where a group stands in a partition.
type GroupPartitionRow struct {
	Partition      int32
	Committed, End ui.Figure
	Lag            ui.Figure
	Share          int // of the lag in the largest of the topic, in tenths
	Member         string
	Host, Client   string
}

// DeleteGroupModel asks before a group is deleted.
type DeleteGroupModel struct {
	ID, Href string
	State    string
	Topics   []GroupTopic
	Typed    string
	Problem  string
	Failure  string
	Members  int
}
