package live

import (
	"encoding/json"
	"slices"
)

// Model is the picture at one moment (the hello event and /live/snapshot) or
// what changed in its structure (the patch event, where Drop is set and the
// lists hold what is new or different). Ids are given once and never used
// again while the process lives. Numbers in a Model are the values up to which
// frames have been sent: the next frame's differences are relative to them.
type Model struct {
	Schema     int            `json:"schema,omitempty"`
	Build      string         `json:"build,omitempty"`
	View       string         `json:"view,omitempty"`
	Seq        uint64         `json:"seq"`  // state events that the model already holds
	Time       int64          `json:"time"` // unix ms
	Controller int32          `json:"controller"`
	Journal    string         `json:"journal,omitempty"` // why the journal cannot be written
	Fine       bool           `json:"fine"`              // links end at partitions; else at brokers
	Brokers    []Broker       `json:"brokers,omitempty"`
	Topics     []Topic        `json:"topics,omitempty"`
	Partitions []PartitionRow `json:"partitions,omitempty"`
	Clients    []Client       `json:"clients,omitempty"`
	Links      []LinkRow      `json:"links,omitempty"`
	Groups     []Group        `json:"groups,omitempty"`
	Lags       []LagRow       `json:"lags,omitempty"`
	Drop       *Drop          `json:"drop,omitempty"`
}

// Drop lists the ids that are gone.
type Drop struct {
	Topics     []int `json:"topics,omitempty"`
	Partitions []int `json:"partitions,omitempty"`
	Clients    []int `json:"clients,omitempty"`
	Links      []int `json:"links,omitempty"`
	Groups     []int `json:"groups,omitempty"`
	Lags       []int `json:"lags,omitempty"`
}

// Broker is one broker of the cluster.
type Broker struct {
	ID      int32  `json:"id"`
	Up      bool   `json:"up"`
	State   string `json:"state"`             // running, draining, stopped, killed, paused, failed
	Fenced  bool   `json:"fenced,omitempty"`  // it leads nothing and clients are not sent to it
	Address string `json:"address,omitempty"` // advertised
	Cause   string `json:"cause,omitempty"`   // why it is down, if it failed
}

// Topic is one topic.
type Topic struct {
	ID       int    `json:"i"`
	Name     string `json:"name"`
	Internal bool   `json:"internal,omitempty"`
}

// PartitionRow is one partition.
type PartitionRow struct {
	ID       int          `json:"i"`
	Topic    int          `json:"t"`
	Number   int32        `json:"p"`
	Leader   int32        `json:"leader"` // -1: none
	Epoch    int32        `json:"epoch"`
	Replicas []ReplicaRow `json:"replicas"`        // ascending by broker
	Bases    []int64      `json:"bases,omitempty"` // base offsets of the newest segments that were rolled
	In       int64        `json:"in"`              // records appended by clients
	Out      int64        `json:"out"`             // records fetched by clients
	HW       int64        `json:"hw"`
	End      int64        `json:"end"`
	Start    int64        `json:"start"`
	InRate   float64      `json:"inRate,omitempty"` // records a second, over the last second
	OutRate  float64      `json:"outRate,omitempty"`
}

// ReplicaRow is one replica of a partition. On the wire it is an array of its id,
// its broker, a sum of 1 (in sync) and 2 (offline), Records, End and Rate.
type ReplicaRow struct {
	ID      int
	Broker  int32
	InSync  bool
	Offline bool    // its broker is down, or its log cannot be used
	Records int64   // appended from the leader
	End     int64   // log end while it follows; of the leader, the partition has it
	Rate    float64 // records a second from the leader, over the last second
}

// MarshalJSON writes the row as an array.
func (r ReplicaRow) MarshalJSON() ([]byte, error) {
	flags := 0
	if r.InSync {
		flags |= 1
	}
	if r.Offline {
		flags |= 2
	}
	return json.Marshal([6]any{r.ID, r.Broker, flags, r.Records, r.End, r.Rate})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *ReplicaRow) UnmarshalJSON(data []byte) error {
	var v [6]float64 // whole numbers up to 2^53 are exact
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	*r = ReplicaRow{int(v[0]), int32(v[1]), int(v[2])&1 != 0, int(v[2])&2 != 0, int64(v[3]), int64(v[4]), v[5]}
	return nil
}

// Client is a client id that produces or consumes.
type Client struct {
	ID        int    `json:"i"`
	Name      string `json:"name"`
	Software  string `json:"software,omitempty"`
	Connected bool   `json:"connected"`
}

// LinkRow is the flow between a client and a partition or, where Model.Fine is
// false, a broker.
type LinkRow struct {
	ID        int    `json:"i"`
	Direction string `json:"d"` // "p": client to cluster, "f": cluster to client
	Client    int    `json:"c"`
	Partition int    `json:"p,omitempty"` // id of the partition, 0: ends at a broker
	Broker    int32  `json:"b,omitempty"`
	Records   int64  `json:"n"`

	Rate float64 `json:"rate,omitempty"` // records a second, over the last second
}

// Group is a consumer group.
type Group struct {
	ID         int      `json:"i"`
	Name       string   `json:"name"`
	State      string   `json:"state"`
	Generation int32    `json:"generation"`
	Members    []Member `json:"members,omitempty"`
}

// Member is a member of a group.
type Member struct {
	ID       string `json:"id"`
	ClientID string `json:"client"`
}

// LagRow is where a group stands in a partition.
type LagRow struct {
	ID        int    `json:"i"`
	Group     int    `json:"g"`
	Partition int    `json:"p"`
	Member    string `json:"m,omitempty"`
	ClientID  string `json:"client,omitempty"`
	Committed int64  `json:"committed"` // -1: nothing committed
	Lag       int64  `json:"lag"`       // high watermark minus committed offset; 0 where nothing is committed
}

// whole tells a model from a patch.
func (m *Model) whole() bool { return m.Schema != 0 }

// merge folds a later patch into m, which may be a whole model or a patch. The
// result brings a reader of neither to the same state as both in order. A row
// that m already holds keeps its numbers: frames that were made between the
// two are still to be added to them.
func (m *Model) merge(later *Model) {
	m.Seq, m.Time, m.Controller, m.Fine, m.Journal = later.Seq, later.Time, later.Controller, later.Fine, later.Journal
	gone, noted := later.Drop, m.Drop
	if gone == nil {
		gone = &Drop{}
	}
	if noted == nil {
		noted = &Drop{} // what is dropped from a whole model is simply absent
	}
	m.Brokers = mergeRows(m.Brokers, later.Brokers, nil, nil)
	m.Topics = mergeRows(m.Topics, later.Topics, gone.Topics, &noted.Topics)
	m.Partitions = mergeRows(m.Partitions, later.Partitions, gone.Partitions, &noted.Partitions)
	m.Clients = mergeRows(m.Clients, later.Clients, gone.Clients, &noted.Clients)
	m.Links = mergeRows(m.Links, later.Links, gone.Links, &noted.Links)
	m.Groups = mergeRows(m.Groups, later.Groups, gone.Groups, &noted.Groups)
	m.Lags = mergeRows(m.Lags, later.Lags, gone.Lags, &noted.Lags)
	if !m.whole() {
		m.Drop = noted
	}
}

// row is an entry of one of a Model's lists.
type row[T any] interface {
	id() int
	// over returns the row with the running numbers of old, which it replaces.
	over(old T) T
}

func (b Broker) id() int       { return int(b.ID) }
func (t Topic) id() int        { return t.ID }
func (p PartitionRow) id() int { return p.ID }
func (c Client) id() int       { return c.ID }
func (l LinkRow) id() int      { return l.ID }
func (g Group) id() int        { return g.ID }
func (g LagRow) id() int       { return g.ID }

func (b Broker) over(Broker) Broker { return b }
func (t Topic) over(Topic) Topic    { return t }
func (c Client) over(Client) Client { return c }
func (g Group) over(Group) Group    { return g }
func (p PartitionRow) over(old PartitionRow) PartitionRow {
	p.In, p.Out, p.HW, p.End, p.Start = old.In, old.Out, old.HW, old.End, old.Start
	p.Replicas = slices.Clone(p.Replicas)
	for i := range p.Replicas {
		r := &p.Replicas[i]
		if k := slices.IndexFunc(old.Replicas, func(o ReplicaRow) bool { return o.ID == r.ID }); k >= 0 {
			r.Records, r.End = old.Replicas[k].Records, old.Replicas[k].End
		}
	}
	return p
}
func (l LinkRow) over(old LinkRow) LinkRow { l.Records = old.Records; return l }
func (g LagRow) over(old LagRow) LagRow    { g.Committed, g.Lag = old.Committed, old.Lag; return g }

// mergeRows returns old with the rows of up put in place of those with the same
// id or at the end, and without gone. The ids of gone are added to noted, since
// an earlier reader may hold them; an id that comes up again is taken from it.
func mergeRows[T row[T]](old, up []T, gone []int, noted *[]int) []T {
	if len(up) == 0 && len(gone) == 0 {
		return old
	}
	dead := make(map[int]bool, len(gone))
	for _, g := range gone {
		dead[g] = true
	}
	at := make(map[int]int, len(old))
	out := make([]T, 0, len(old)+len(up))
	for _, r := range old {
		if !dead[r.id()] {
			at[r.id()] = len(out)
			out = append(out, r)
		}
	}
	back := make(map[int]bool, len(up))
	for _, r := range up {
		back[r.id()] = true
		if i, ok := at[r.id()]; ok {
			out[i] = r.over(out[i])
		} else {
			out = append(out, r)
		}
	}
	if noted != nil {
		kept := make([]int, 0, len(*noted)+len(gone))
		for _, g := range *noted {
			if !back[g] && !dead[g] {
				kept = append(kept, g)
			}
		}
		*noted = append(kept, gone...)
	}
	return out
}
