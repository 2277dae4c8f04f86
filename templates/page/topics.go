package page

import "github.com/logarium/logarium/templates/ui"

// TopicsModel is the list of topics.
type TopicsModel struct {
	Search   string
	Sort     string
	Dir      string
	Internal bool // internal topics are shown
	Groups   bool // the groups' lags are filled in
	Rows     []TopicRow
	Heads    []ui.Sort // of the sortable columns, in order
	Total    int       // topics in the cluster, internal ones only if they are shown
	Matching int
	Page     int // from 1
	Pages    int
	Prev     string // address of the page before, "" if there is none
	Next     string
	Refresh  string // address of this list with groups

	Durability Durability
	Failure    string
}

// TopicRow is one topic of the list.
type TopicRow struct {
	Name              string
	Href              string
	Internal          bool
	Partitions        int
	ReplicationFactor int
	InSync, Replicas  int
	Leaderless        int
	Under             int // partitions that lack replicas in sync
	Messages, Size    ui.Figure
	Groups            []GroupChip
	GroupsWhy         string
	Cleanup           string
	Retention         string
	RetentionTitle    string
}

// GroupChip is a group with its lag in a topic.
type GroupChip struct {
	ID, Href string
	Lag      ui.Figure
}

// CreateTopicModel is the form for a new topic.
type CreateTopicModel struct {
	Name, Partitions, ReplicationFactor string
	Cleanup                             string
	Retention, RetentionUnit            string
	Problems                            map[string]string // by field
	Failure                             string            // the cluster's words
	DefaultPartitions                   string            // placeholders, "" if unknown
	DefaultReplication                  string
	DefaultCleanup                      string
	DefaultRetention                    string
	DefaultMinInSync                    string
	MinInSync                           string
	Brokers                             int
	Plan                                PlanModel
}

// PlanModel is where the partitions of a new topic will be.
type PlanModel struct {
	Text     string // as the form carries it, "" if there is no plan
	Why      string // there is none for this reason
	Rows     []PlanRow
	More     int    // partitions beyond those listed
	Leads    string // how many partitions each broker leads, in words
	Holds    string // how many replicas each broker holds, in words
	Warnings []string
}

// PlanRow is one partition of a plan.
type PlanRow struct {
	Partition int
	Replicas  []ui.Replica
}

// MaxReplication says how many copies there can be.
func (m CreateTopicModel) maxReplication() string {
	if m.Brokers == 0 {
		return ""
	}
	return "1 to " + ui.Count(m.Brokers)
}

// Cleanups are the choices of a cleanup policy; the first is the cluster's own.
func (m CreateTopicModel) cleanups() []ui.Option {
	own := "Cluster's default"
	if m.DefaultCleanup != "" {
		own += " (" + m.DefaultCleanup + ")"
	}
	return []ui.Option{{Value: "", Label: own}, {Value: "delete", Label: "Delete old records"}, {Value: "compact", Label: "Compact: keep the newest of each key"}, {Value: "compact,delete", Label: "Compact and delete"}}
}

var retentionUnits = []ui.Option{
	{Value: "ms", Label: "ms"}, {Value: "s", Label: "seconds"}, {Value: "min", Label: "minutes"},
	{Value: "h", Label: "hours"}, {Value: "d", Label: "days"}, {Value: "infinite", Label: "infinite"},
}

// retentionChips are the usual choices, as value and unit.
var retentionChips = []struct{ value, unit, label string }{
	{"1", "h", "1 h"}, {"12", "h", "12 h"}, {"1", "d", "1 d"}, {"7", "d", "7 d"}, {"28", "d", "4 w"}, {"", "infinite", "infinite"},
}
