package server

import (
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// maxBrokerPartitions bounds the table of one broker's partitions.
const maxBrokerPartitions = 500

// brokers is the list of brokers.
func (s *Server) brokers(c echo.Context) error {
	ctx := c.Request().Context()
	m := page.BrokersModel{Refresh: "/brokers"}
	frame := layout.Model{Title: "Brokers", Section: "brokers"}
	meta, err := s.Cluster.Metadata(ctx)
	if err != nil {
		m.Failure = err.Error()
		return s.page(c, frame, page.Brokers(m))
	}
	m.ClusterID, m.Topics = meta.ClusterID, len(meta.Topics)
	if caps, err := s.Cluster.Capabilities(ctx); err == nil {
		m.Version = caps.Version
	}
	for _, t := range meta.Topics {
		in, all := t.Replicas()
		m.InSync, m.Replicas = m.InSync+in, m.Replicas+all
		m.Partitions += len(t.Partitions)
		m.Online += len(t.Partitions) - t.Leaderless()
	}
	m.Rows = brokerRows(meta, s.Cluster.Controller(ctx, meta), s.Cluster.Sizes(ctx))
	return s.page(c, frame, page.Brokers(m))
}

// brokerRows counts what each broker has.
func brokerRows(meta kafka.Metadata, controller int32, sizes kafka.Sizes) []page.BrokerRow {
	rows := make([]page.BrokerRow, len(meta.Brokers))
	for i, b := range meta.Brokers {
		rows[i] = page.BrokerRow{
			ID: b.ID, Place: i, Href: link.Broker(b.ID), Host: b.Host, Port: b.Port, Rack: b.Rack,
			Controller: b.ID == controller, Size: ui.Figure(sizes.Broker(b.ID)),
		}
	}
	for _, t := range meta.Topics {
		for _, p := range t.Partitions {
			if i := meta.BrokerPlace(p.Leader); i >= 0 {
				rows[i].Leaders++
			}
			for _, id := range p.Replicas {
				if i := meta.BrokerPlace(id); i >= 0 {
					rows[i].Replicas++
				}
			}
			for _, id := range p.ISR {
				if i := meta.BrokerPlace(id); i >= 0 {
					rows[i].InSync++
				}
			}
		}
	}
	return rows
}

// broker is the page of one broker.
func (s *Server) broker(c echo.Context) error {
	ctx := c.Request().Context()
	meta, err := s.Cluster.Metadata(ctx)
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(c.Param("broker"), 10, 32)
	place := meta.BrokerPlace(int32(id))
	if err != nil || place < 0 {
		return missing("There is no such broker", "It may be stopped, or it was never there.")
	}
	sizes := s.Cluster.Sizes(ctx)
	m := page.BrokerModel{
		Row: brokerRows(meta, s.Cluster.Controller(ctx, meta), sizes)[place], Search: c.QueryParam("q"), Refresh: link.Broker(int32(id)),
	}
	m.Partitions, m.More = brokerPartitions(meta, int32(id), sizes)
	settings, err := s.Cluster.BrokerSettings(ctx, int32(id))
	if err != nil {
		m.Failure = err.Error()
	}
	for _, x := range settings {
		if strings.Contains(x.Name, strings.ToLower(m.Search)) {
			m.Settings = append(m.Settings, settingRow(x))
		}
	}
	return s.page(c, layout.Model{Title: "Broker " + strconv.Itoa(int(id)), Section: "brokers"}, page.Broker(m))
}

// brokerPartitions lists the replicas on a broker, and how many more there are.
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
			rows = append(rows, page.BrokerPartition{
				Topic: t.Name, Href: link.Topic(t.Name), Partition: p.ID, Leader: p.Leader == id, InSync: slices.Contains(p.ISR, id),
				Size: ui.Figure(sizes.Replica(id, kafka.TopicPartition{Topic: t.Name, Partition: p.ID})),
			})
		}
	}
	return rows, more
}
