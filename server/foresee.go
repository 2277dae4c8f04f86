package server

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
)

// maxForeseen bounds each list of partitions that a form names.
const maxForeseen = 12

// foresee finds out what it means for the cluster when a broker goes.
func (s *Server) foresee(ctx context.Context, m *page.BrokerActModel) {
	meta, err := s.Cluster.Metadata(ctx)
	if err != nil {
		m.Unknown = err.Error()
		return
	}
	m.Place = meta.BrokerPlace(m.ID)
	m.Last = len(meta.Brokers) == 1 && meta.Brokers[0].ID == m.ID
	m.Durability = s.Durability
	least := s.leastInSync(ctx, meta, m.ID)
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			foreseePartition(m, t, p, least[t.Name])
		}
	}
	if q, err := s.Cluster.Quorum(ctx); err == nil {
		m.Controller = q.Leader == m.ID
		m.QuorumLost = losesQuorum(q, meta, m.ID)
	}
}

// foreseePartition notes what becomes of one partition.
func foreseePartition(m *page.BrokerActModel, t kafka.Topic, p kafka.Partition, least int) {
	if p.Leader == m.ID {
		m.Leads++
	}
	if !slices.Contains(p.ISR, m.ID) {
		return
	}
	left := len(p.ISR) - 1
	line := page.PartitionRef{Name: t.Name + "-" + strconv.Itoa(int(p.ID)), Href: link.Topic(t.Name)}
	switch {
	case left == 0 && p.Leader == m.ID:
		line.Why = "its only copy is here"
		if len(p.Replicas) > 1 {
			line.Why = "no other copy is in sync"
		}
		note(&m.Leaderless, &m.LeaderlessMore, line)
	case left < least && len(p.ISR) >= least:
		line.Why = fmt.Sprintf("%d in sync, min.insync.replicas is %d", left, least)
		note(&m.BelowMin, &m.BelowMinMore, line)
	}
}

func note(list *[]page.PartitionRef, more *int, p page.PartitionRef) {
	if len(*list) == maxForeseen {
		*more++
		return
	}
	*list = append(*list, p)
}

// leastInSync returns min.insync.replicas of the topics that a broker has a
// replica of; where the cluster does not tell, it is 1.
func (s *Server) leastInSync(ctx context.Context, meta kafka.Metadata, id int32) map[string]int {
	var names []string
	for _, t := range meta.Topics {
		if slices.ContainsFunc(t.Partitions, func(p kafka.Partition) bool { return slices.Contains(p.ISR, id) }) {
			names = append(names, t.Name)
		}
	}
	return s.minInSync(ctx, names)
}

// minInSync returns min.insync.replicas by topic, 1 where it is not known.
func (s *Server) minInSync(ctx context.Context, names []string) map[string]int {
	out := make(map[string]int, len(names))
	for _, name := range names {
		out[name] = 1
	}
	if len(names) == 0 {
		return out
	}
	settings, err := s.Cluster.SomeTopicSettings(ctx, names, []string{"min.insync.replicas"})
	if err != nil {
		return out
	}
	for name, of := range settings {
		if n, ok := of.Int("min.insync.replicas"); ok {
			out[name] = int(n)
		}
	}
	return out
}

// losesQuorum tells whether the metadata quorum has no majority without a
// broker.
func losesQuorum(q kafka.Quorum, meta kafka.Metadata, id int32) bool {
	left, voter := 0, false
	for _, v := range q.Voters {
		if v.ID == id {
			voter = true
		} else if _, here, _ := meta.Broker(v.ID); here {
			left++
		}
	}
	return voter && left <= len(q.Voters)/2
}
