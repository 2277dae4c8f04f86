package page

import "github.com/logarium/logarium/templates/ui"

// TopicHead is what every tab of a topic begins with.
type TopicHead struct {
	Name     string
	Internal bool
	Tabs     []ui.Tab
	Href     string // of the topic
}

// TopicModel is a topic's first tab.
type TopicModel struct {
	Head           TopicHead
	ID             string
	Partitions     []PartitionRow
	Messages, Size ui.Figure
	InSync         int
	Replicas       int
	Leaderless     int
	RF             int
	Under          int // partitions that lack replicas in sync
	UnderMin       int // partitions with less of them than min.insync.replicas
	MinInSync      string
	NotPreferred   int // partitions that another than the preferred replica leads
	MayElect       string
	ShowELR        bool
	Durability     Durability
	Cleanup        string
	Retention      string
	RetentionTitle string
	Refresh        string
	Problems       []string // parts that could not be had
	MayGrow        string   // why partitions cannot be added, "" if they can
	MayDelete      string   // why the topic cannot be deleted, "" if it can
}

// PartitionRow is one partition.
type PartitionRow struct {
	ID         int32
	Leader     int32
	Epoch      int32
	Replicas   []ui.Replica // the first is the preferred leader
	Preferred  bool         // it leads
	InSync     int
	Under      bool // replicas are out of sync
	UnderMin   bool // less are in sync than acks=all needs
	Offline    int  // replicas on brokers that are down, or on failed logs
	ELR        []ui.Replica
	LastELR    []ui.Replica
	Start, End ui.Figure
	Messages   ui.Figure
	Size       ui.Figure
	Problem    string
	Read       string // address of its messages
}

// SettingsModel is a topic's settings.
type SettingsModel struct {
	Head     TopicHead
	Rows     []SettingRow
	Search   string
	OwnOnly  bool
	Own      int
	Failure  string
	ReadOnly string // why nothing can be changed, "" if it can
	Action   string // where a change is posted to
	Edit     string // the setting that is being edited
	Value    string // as it was typed
	Problem  string // the cluster's words on it
	Stray    string // the same, if the setting is not in the list
}

// SettingRow is one setting.
type SettingRow struct {
	Name, Value, Default, Source, Doc string
	Words                             string // the value for the eye, such as "7 d", "" if it is as readable as it is
	Own, ReadOnly, Null, Sensitive    bool
	HasDefault                        bool
	EditHref                          string
}

// TopicGroupsModel is the groups of a topic.
type TopicGroupsModel struct {
	Head    TopicHead
	Groups  []GroupRow
	Refresh string
	Failure string
}

// DeleteTopicModel asks before a topic is deleted.
type DeleteTopicModel struct {
	Head       TopicHead
	Messages   ui.Figure
	Size       ui.Figure
	Partitions int
	Groups     []GroupChip
	GroupsWhy  string
	Typed      string
	Problem    string
	Failure    string
	Forbidden  string
}

// AddPartitionsModel is the form that raises the number of partitions.
type AddPartitionsModel struct {
	Head      TopicHead
	Now       int
	Total     string
	Problem   string
	Failure   string
	Forbidden string
	Compacted bool
}
