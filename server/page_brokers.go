package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/server/live"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// maxBrokerPartitions bounds the table of one broker's partitions.
const maxBrokerPartitions = 500

// brokersView is what the pages of brokers are made of.
type brokersView struct {
	server *Server
	meta   kafka.Metadata
	fenced map[int32]kafka.Broker
	quorum kafka.Quorum
	noQ    error // why the quorum is not known
	sizes  kafka.Sizes
	causes map[int32]string // why a broker failed
}

// askBrokers asks for all that the pages of brokers show. With an error it holds
// what the console knows by itself.
func (s *Server) askBrokers(ctx context.Context) (*brokersView, error) {
	v := &brokersView{server: s, causes: s.failures()}
	var (
		wg     sync.WaitGroup
		failed error
	)
	wg.Go(func() { v.meta, failed = s.Cluster.Metadata(ctx) })
	wg.Go(func() {
		// A cluster that cannot tell has none to show.
		v.fenced, _ = s.Cluster.Fenced(ctx)
	})
	wg.Go(func() { v.quorum, v.noQ = s.Cluster.Quorum(ctx) })
	wg.Go(func() { v.sizes = s.Cluster.Sizes(ctx) })
	wg.Wait()
	return v, failed
}

// failures returns why brokers of the embedded cluster failed.
func (s *Server) failures() map[int32]string {
	out := make(map[int32]string)
	m, err := s.Live.Snapshot(live.ViewEvents)
	if err != nil {
		return out
	}
	for _, b := range m.Brokers {
		if b.Cause != "" {
			out[b.ID] = b.Cause
		}
	}
	return out
}

// ids returns all brokers that are, or should be, there: those of the metadata,
// the fenced ones, those that the console runs and those that have replicas.
func (v *brokersView) ids() []int32 {
	all := make(map[int32]bool)
	for _, b := range v.meta.Brokers {
		all[b.ID] = true
	}
	for id := range v.fenced {
		all[id] = true
	}
	for _, id := range v.server.ownBrokers() {
		all[id] = true
	}
	for _, t := range v.meta.Topics {
		for _, p := range t.Partitions {
			for _, id := range p.Replicas {
				all[id] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// rows counts what each broker has.
func (v *brokersView) rows() []page.BrokerRow {
	ids := v.ids()
	rows := make([]page.BrokerRow, len(ids))
	at := make(map[int32]*page.BrokerRow, len(ids))
	for i, id := range ids {
		rows[i] = v.row(id)
		at[id] = &rows[i]
	}
	for _, t := range v.meta.Topics {
		for _, p := range t.Partitions {
			if r := at[p.Leader]; r != nil {
				r.Leaders++
			}
			for _, id := range p.Replicas {
				at[id].Replicas++
			}
			for _, id := range p.ISR {
				if r := at[id]; r != nil {
					r.InSync++
				}
			}
		}
	}
	skew(rows, func(r *page.BrokerRow) (int, *string) { return r.Leaders, &r.LeaderSkew })
	skew(rows, func(r *page.BrokerRow) (int, *string) { return r.Replicas, &r.ReplicaSkew })
	return rows
}

// skew says by how much each broker has more or less than the mean, where it is
// a tenth or more, and not just what is left of a division.
func skew(rows []page.BrokerRow, of func(*page.BrokerRow) (int, *string)) {
	sum := 0
	for i := range rows {
		n, _ := of(&rows[i])
		sum += n
	}
	if sum == 0 {
		return
	}
	mean := float64(sum) / float64(len(rows))
	for i := range rows {
		n, words := of(&rows[i])
		if percent := (float64(n) - mean) / mean * 100; math.Abs(percent) >= 10 && math.Abs(float64(n)-mean) > 1 {
			*words = strings.Replace(fmt.Sprintf("%+.0f %%", percent), "-", "−", 1)
		}
	}
}

// row is one broker without its counts.
func (v *brokersView) row(id int32) page.BrokerRow {
	b, here, known := v.meta.Broker(id)
	fenced, isFenced := v.fenced[id]
	if !known || b.Host == "" {
		b = fenced
	}
	r := page.BrokerRow{
		ID: id, Place: v.meta.BrokerPlace(id), Href: link.Broker(id), Host: b.Host, Port: b.Port, Rack: b.Rack,
		Fenced: isFenced, Size: ui.Figure(v.sizes.Broker(id)), State: v.server.ownState(id), Cause: v.causes[id],
		Controller: v.controller() == id,
	}
	if r.Place < 0 {
		r.Place = slices.Index(v.ids(), id)
	}
	r.Acts = actsFor(r.State)
	switch {
	case r.State == stateRunning && (isFenced || !here && len(v.meta.Brokers) > 0):
		r.State = "fenced"
	case r.State != "":
	case here:
		r.State = "up"
	case isFenced:
		r.State = "fenced"
	default:
		r.State = "away"
	}
	return r
}

// controller returns the active controller, −1 if it is not known.
func (v *brokersView) controller() int32 {
	if v.noQ == nil {
		return v.quorum.Leader
	}
	if _, here, _ := v.meta.Broker(v.meta.Controller); here {
		return v.meta.Controller
	}
	return -1
}

// brokers is the list of brokers.
func (s *Server) brokers(c echo.Context) error {
	ctx := c.Request().Context()
	m := page.BrokersModel{Refresh: "/brokers", Durability: s.durability()}
	frame := layout.Model{Title: "Brokers", Section: "brokers"}
	v, err := s.askBrokers(ctx)
	if err != nil {
		m.Failure = err.Error()
		if s.Brokers == nil {
			return s.page(c, frame, page.Brokers(m))
		}
	}
	m.ClusterID, m.Topics = v.meta.ClusterID, len(v.meta.Topics)
	if caps, err := s.Cluster.Capabilities(ctx); err == nil {
		m.Version = caps.Version
		m.MayElect = caps.Why(kafka.FeatureElectLeaders)
	}
	h := healthOf(v.meta.Topics)
	m.InSync, m.Replicas, m.Partitions, m.Online = h.inSync, h.replicas, h.partitions, h.partitions-h.offline
	m.UnderReplicated, m.NotPreferred = h.underReplicated, h.notPreferred
	m.Rows = v.rows()
	for _, r := range m.Rows {
		m.Up += boolInt(r.Up())
		m.Problems = append(m.Problems, v.problems(r)...)
	}
	m.Quorum = v.quorumModel()
	return s.page(c, frame, page.Brokers(m))
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// problems says of a broker what is broken, and what to do.
func (v *brokersView) problems(r page.BrokerRow) (list []page.BrokerProblem) {
	name := fmt.Sprintf("Broker %d", r.ID)
	if r.State == stateFailed || r.Cause != "" && r.State != "up" && r.State != stateRunning {
		list = append(list, page.BrokerProblem{
			What: name + " has failed" + words(": ", r.Cause) + ".",
			Todo: "What it had acknowledged is kept by its journal and by the other replicas. See to the disk (space, errors in the system's log), then start the broker again: it recovers its logs and fetches from the leaders what it lacks.",
		})
	}
	dirs, err := v.sizes.Dirs(r.ID)
	if err != nil {
		return list
	}
	for _, d := range dirs {
		if d.Err != nil {
			list = append(list, page.BrokerProblem{
				What: fmt.Sprintf("%s cannot use its log folder %s: %s", name, d.Path, d.Err.Error()),
				Todo: "Nothing more is acknowledged from there; what was committed can be read as long as another replica has it. Make room on the disk or replace it, then stop and start the broker.",
			})
		} else if d.Total > 0 && d.Usable >= 0 && d.Usable < d.Total/20 {
			list = append(list, page.BrokerProblem{
				What: fmt.Sprintf("The disk of %s is nearly full: %s of %s left.", d.Path, ui.Bytes(d.Usable), ui.Bytes(d.Total)),
				Todo: "Make room: shorten the retention of the largest topics, delete records or topics, or enlarge the disk. When it is full, writes are refused.",
			})
		}
	}
	return list
}

// words puts a lead before what is not empty.
func words(lead, s string) string {
	if s == "" {
		return ""
	}
	return lead + strings.TrimSuffix(s, ".")
}

func (v *brokersView) quorumModel() page.QuorumModel {
	if v.noQ != nil {
		return page.QuorumModel{Why: v.noQ.Error()}
	}
	m := page.QuorumModel{Leader: v.quorum.Leader, Epoch: v.quorum.Epoch, HighWatermark: v.quorum.HighWatermark}
	add := func(list []kafka.QuorumReplica, role string) {
		for _, r := range list {
			line := page.QuorumRow{ID: r.ID, Place: v.meta.BrokerPlace(r.ID), Role: role, LogEnd: ui.Figure{N: r.LogEnd}, Lag: ui.Figure{N: r.Lag}}
			// A controller that is no broker is never among the brokers.
			_, here, known := v.meta.Broker(r.ID)
			line.Away = known && !here
			if r.ID == v.quorum.Leader {
				line.Role = "active controller"
			}
			if r.LogEnd < 0 {
				line.LogEnd.Why, line.Lag.Why = "The controller has not heard of its log.", "The controller has not heard of its log."
			}
			if !r.LastCaughtUp.IsZero() && r.ID != v.quorum.Leader {
				line.CaughtUp = ago(time.Since(r.LastCaughtUp))
			}
			m.Rows = append(m.Rows, line)
		}
	}
	add(v.quorum.Voters, "voter")
	add(v.quorum.Observers, "observer")
	return m
}

// ago says how long something is past, coarsely.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s ago", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min ago", d.Minutes())
	}
	return fmt.Sprintf("%.0f h ago", d.Hours())
}

// broker is the page of one broker.
func (s *Server) broker(c echo.Context) error {
	ctx := c.Request().Context()
	n, err := strconv.ParseInt(c.Param("broker"), 10, 32)
	if err != nil {
		return missing("There is no such broker", "A broker's id is a number.")
	}
	id := int32(n)
	v, err := s.askBrokers(ctx)
	if err != nil && s.Brokers == nil {
		return err
	}
	rows := v.rows()
	i := slices.IndexFunc(rows, func(r page.BrokerRow) bool { return r.ID == id })
	if i < 0 {
		return missing("There is no such broker", "The cluster does not know a broker of this id.")
	}
	m := page.BrokerModel{
		Row: rows[i], Search: c.QueryParam("q"), Refresh: link.Broker(id), Problems: v.problems(rows[i]), Durability: s.durability(),
	}
	if err != nil {
		m.Unreachable = err.Error()
	}
	m.Partitions, m.More = brokerPartitions(v.meta, id, v.sizes)
	m.Dirs, m.DirsWhy = dirRows(v.sizes, id)
	if _, here, _ := v.meta.Broker(id); !here {
		m.Failure = fmt.Sprintf("Broker %d is %s: only a broker that answers tells its settings.", id, rows[i].State)
	} else if err := s.fillBrokerSettings(ctx, &m); err != nil {
		m.Failure = err.Error()
	}
	return s.page(c, layout.Model{Title: "Broker " + strconv.Itoa(int(id)), Section: "brokers"}, page.Broker(m))
}

func (s *Server) fillBrokerSettings(ctx context.Context, m *page.BrokerModel) error {
	settings, err := s.Cluster.BrokerSettings(ctx, m.Row.ID)
	if err != nil {
		return err
	}
	for _, x := range settings {
		if strings.Contains(x.Name, strings.ToLower(m.Search)) {
			m.Settings = append(m.Settings, settingRow(x))
		}
	}
	return nil
}

func dirRows(sizes kafka.Sizes, id int32) (rows []page.DirRow, why string) {
	dirs, err := sizes.Dirs(id)
	if err != nil {
		return nil, err.Error()
	}
	for _, d := range dirs {
		r := page.DirRow{Path: d.Path, Replicas: d.Replicas, Bytes: ui.Bytes(d.Bytes)}
		if d.Total > 0 {
			r.Disk = fmt.Sprintf("%s of %s free", ui.Bytes(d.Usable), ui.Bytes(d.Total))
		}
		if d.Err != nil {
			r.Problem = d.Err.Error()
		}
		rows = append(rows, r)
	}
	return rows, ""
}

// brokerPartitions lists the replicas on a broker, what it leads first, and how
// many more there are.
func brokerPartitions(meta kafka.Metadata, id int32, sizes kafka.Sizes) (rows []page.BrokerPartition, more int) {
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			if !slices.Contains(p.Replicas, id) {
				continue
			}
			if len(rows) == maxBrokerPartitions {
				more++
				continue
			}
			row := page.BrokerPartition{
				Topic: t.Name, Href: link.Topic(t.Name), Partition: p.ID, Leader: p.Leader == id, LeaderID: p.Leader,
				LeaderPlace: meta.BrokerPlace(p.Leader), InSync: slices.Contains(p.ISR, id), Offline: slices.Contains(p.Offline, id),
				Preferred: p.Replicas[0] == id, Size: ui.Figure(sizes.Replica(id, kafka.TopicPartition{Topic: t.Name, Partition: p.ID})),
			}
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b page.BrokerPartition) int { return cmp.Compare(boolInt(b.Leader), boolInt(a.Leader)) })
	return rows, more
}

// health is how the replicas of some topics are.
type health struct {
	partitions, offline, underReplicated, notPreferred int
	inSync, replicas                                   int
}

func healthOf(topics []kafka.Topic) (h health) {
	for _, t := range topics {
		in, all := t.Replicas()
		h.inSync, h.replicas = h.inSync+in, h.replicas+all
		h.partitions += len(t.Partitions)
		h.offline += t.Leaderless()
		h.underReplicated += t.UnderReplicated()
		h.notPreferred += t.NotPreferred()
	}
	return h
}

// electLeaders makes the preferred leaders of the whole cluster lead again.
func (s *Server) electLeaders(c echo.Context) error {
	return s.elected(c, link.To("brokers"), "")
}

func (s *Server) elected(c echo.Context, next, of string, topics ...kafka.Topic) error {
	e, err := s.Cluster.ElectPreferred(c.Request().Context(), topics...)
	switch {
	case err != nil:
		return redirect(c, next, "bad", "No leaders were elected: "+err.Error())
	case e.Failed > 0:
		return redirect(c, next, "warn", fmt.Sprintf("%s a new leader%s; for %s the preferred leader cannot lead now: %s",
			ui.Plural(e.Moved, "partition has", "partitions have"), of, ui.Count(e.Failed), e.Err.Error()))
	case e.Moved == 0:
		return redirect(c, next, "ok", "Every partition"+of+" is led by its preferred leader already.")
	}
	return redirect(c, next, "ok", fmt.Sprintf("%s by the preferred leader again.", ui.Plural(e.Moved, "partition"+of+" is led", "partitions"+of+" are led")))
}
