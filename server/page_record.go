package server

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/server/message"
	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
	"github.com/logarium/logarium/templates/ui"
)

// recordRow shows one record with at most limit bytes of its key and value.
func recordRow(r *kafka.Record, limit int) page.RecordRow {
	row := page.RecordRow{
		Partition: r.Partition, Offset: r.Offset, Href: link.Record(r.Topic, r.Partition, r.Offset),
		Clock: ui.Clock(r.Timestamp), ISO: ui.Time(r.Timestamp), AppendTime: r.AppendTime,
		Key: text(r.Key, limit), Value: text(r.Value, limit),
		Size: r.Size(), Codec: r.Codec, Epoch: r.LeaderEpoch, InTxn: r.InTxn,
	}
	if r.ProducerID >= 0 {
		row.ProducerID = fmt.Sprintf("%d, epoch %d", r.ProducerID, r.Epoch)
	}
	for _, h := range r.Headers {
		row.Headers = append(row.Headers, page.HeaderRow{Key: h.Key, Value: text(h.Value, message.ListText)})
	}
	return row
}

func text(b []byte, limit int) page.Text {
	t := message.Decode(b, limit)
	return page.Text{Kind: string(t.Kind), Size: t.Size, Text: t.Text, Preview: t.Preview, Cut: t.Cut, Why: t.Why}
}

// recordAt reads the record that the path names, or else the next one after it.
func (s *Server) recordAt(c echo.Context) (kafka.Topic, message.Page, int32, int64, error) {
	t, _, err := s.topicOf(c)
	if err != nil {
		return t, message.Page{}, 0, 0, err
	}
	partition, words := partitionOf(t, c.Param("partition"))
	offset, parseErr := strconv.ParseInt(c.Param("offset"), 10, 64)
	if words != "" || parseErr != nil || offset < 0 {
		return t, message.Page{}, 0, 0, missing("There is no such record", "The address names no partition and offset of this topic.")
	}
	got, err := message.Read(c.Request().Context(), s.Cluster, message.Query{
		Topic: t.Name, Partition: partition, From: message.AtOffset, Offset: offset, Limit: 1,
	}, message.DefaultBudget)
	if err == nil && len(got.Spans) == 1 && got.Spans[0].Problem != "" {
		err = &kafka.Error{Text: got.Spans[0].Problem}
	}
	return t, got, partition, offset, err
}

// record is the page of one record.
func (s *Server) record(c echo.Context) error {
	t, got, partition, offset, err := s.recordAt(c)
	if err != nil {
		return err
	}
	m := page.RecordModel{Head: topicHead(t, "messages"), Partition: partition, Offset: offset}
	span := got.Spans[0]
	if offset > span.Start {
		m.Prev = link.Record(t.Name, partition, min(offset, span.End)-1)
	}
	status := http.StatusOK
	switch {
	case len(got.Records) == 1 && got.Records[0].Offset == offset:
		r := &got.Records[0]
		m.Found, m.Row = true, recordRow(r, message.PageText)
		if offset+1 < span.End {
			m.Next = link.Record(t.Name, partition, offset+1)
		}
		raw := link.Record(t.Name, partition, offset) + "/raw"
		if len(r.Key) > 0 {
			m.RawKey = link.With(raw, "part", "key")
		}
		if len(r.Value) > 0 {
			m.RawValue = link.With(raw, "part", "value")
		}
	case offset < span.Start:
		status, m.Missing = http.StatusNotFound, fmt.Sprintf("The partition begins at offset %d: what was before is deleted.", span.Start)
		m.Next = link.Record(t.Name, partition, span.Start)
	case offset >= span.End:
		status, m.Missing = http.StatusNotFound, fmt.Sprintf("Nothing is written there yet: the next record gets offset %d.", span.End)
	default:
		status, m.Missing = http.StatusNotFound, "It was compacted away, or it is a mark of a transaction."
		if len(got.Records) == 1 {
			m.Next = link.Record(t.Name, partition, got.Records[0].Offset)
		}
	}
	title := fmt.Sprintf("%s %d@%d", t.Name, partition, offset)
	return s.render(c, status, layout.Model{Title: title, Section: "topics"}, page.Record(m))
}

// rawRecord hands out the bytes of a key or a value, as a file that no browser
// opens by itself.
func (s *Server) rawRecord(c echo.Context) error {
	t, got, partition, offset, err := s.recordAt(c)
	if err != nil {
		return err
	}
	if len(got.Records) != 1 || got.Records[0].Offset != offset {
		return missing("There is no such record", "It may have been deleted.")
	}
	part, body := "value", got.Records[0].Value
	if c.QueryParam("part") == "key" {
		part, body = "key", got.Records[0].Key
	}
	name := fmt.Sprintf("%s-%d-%d-%s.bin", t.Name, partition, offset, part)
	h := c.Response().Header()
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
	h.Set("Content-Security-Policy", policy+"; sandbox")
	return c.Blob(http.StatusOK, "application/octet-stream", body)
}
