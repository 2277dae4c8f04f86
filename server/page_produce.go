package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/server/kafka"
	"github.com/logarium/logarium/templates/link"
	"github.com/logarium/logarium/templates/page"
)

// maxHeaders bounds the header rows of the form.
const maxHeaders = 100

// produceForm shows the form for a new record.
func (s *Server) produceForm(c echo.Context) error {
	return s.showProduce(c, http.StatusOK, page.ProduceModel{
		Partition: c.QueryParam("partition"), NullKey: c.QueryParam("key") == "", Key: c.QueryParam("key"),
		Headers: make([]page.HeaderInput, 1),
	})
}

// produce writes one record.
func (s *Server) produce(c echo.Context) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	m, err := produceInput(c)
	if err != nil {
		return err
	}
	if c.FormValue("more-headers") != "" {
		m.Headers = append(m.Headers, page.HeaderInput{})
		return s.showProduce(c, http.StatusOK, m)
	}
	record, problems := newRecord(t, m)
	if len(problems) > 0 {
		m.Problems = problems
		return s.showProduce(c, http.StatusUnprocessableEntity, m)
	}
	done, err := s.Cluster.Produce(c.Request().Context(), record)
	if err != nil {
		m.Failure = err.Error()
		return s.showProduce(c, http.StatusUnprocessableEntity, m)
	}
	href := link.Record(t.Name, done.Partition, done.Offset)
	if m.Keep {
		m.Sent = &page.SentRecord{Partition: done.Partition, Offset: done.Offset, Href: href}
		return s.showProduce(c, http.StatusOK, m)
	}
	return redirectWithLink(c, link.Topic(t.Name, "produce"), "ok",
		fmt.Sprintf("Written to partition %d at offset %d.", done.Partition, done.Offset), href, "Show the record")
}

// partitionOfKey tells where the partitioner would put the key that is being
// typed. It changes nothing; it is a POST because keys do not belong into
// addresses.
func (s *Server) partitionOfKey(c echo.Context) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	m, err := produceInput(c)
	if err != nil {
		return err
	}
	return c.String(http.StatusOK, chosenPartition(t, m))
}

// produceInput reads the form as it was typed.
func produceInput(c echo.Context) (page.ProduceModel, error) {
	form, err := c.FormParams()
	if err != nil {
		return page.ProduceModel{}, err
	}
	m := page.ProduceModel{
		Partition: form.Get("partition"), Key: newlines(form.Get("key")), NullKey: form.Get("null-key") == "1",
		Value: newlines(form.Get("value")), NullValue: form.Get("null-value") == "1", Keep: form.Get("keep") == "1",
	}
	values := form["header-value"]
	for i, key := range form["header-key"] {
		h := page.HeaderInput{Key: key}
		if i < len(values) {
			h.Value = values[i]
		}
		m.Headers = append(m.Headers, h)
	}
	return m, nil
}

// newlines undoes what forms do to the ends of lines.
func newlines(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// newRecord checks the form. An empty key or value is one of zero bytes; null is
// chosen apart.
func newRecord(t kafka.Topic, m page.ProduceModel) (kafka.NewRecord, map[string]string) {
	r := kafka.NewRecord{Topic: t.Name, Partition: -1}
	problems := make(map[string]string)
	if m.Partition != "" {
		n, problem := partitionOf(t, m.Partition)
		if problem != "" {
			problems["partition"] = problem
		}
		r.Partition = n
	}
	switch {
	case !m.NullKey:
		r.Key = []byte(m.Key)
	case m.Key != "":
		problems["key"] = "There is a key, but “no key” is chosen: clear one of them."
	}
	switch {
	case !m.NullValue:
		r.Value = []byte(m.Value)
	case m.Value != "":
		problems["value"] = "There is a value, but “no value” is chosen: clear one of them."
	}
	for _, h := range m.Headers {
		if h.Key == "" && h.Value == "" {
			continue
		}
		if h.Key == "" {
			problems["headers"] = "A header has a value but no key."
		}
		r.Headers = append(r.Headers, kafka.Header{Key: h.Key, Value: []byte(h.Value)})
	}
	if len(m.Headers) > maxHeaders {
		problems["headers"] = fmt.Sprintf("The form takes at most %d headers.", maxHeaders)
	}
	return r, problems
}

// chosenPartition says where a record goes.
func chosenPartition(t kafka.Topic, m page.ProduceModel) string {
	n := int32(len(t.Partitions))
	switch {
	case n == 0:
		return ""
	case m.Partition != "":
		return "Goes to partition " + m.Partition + ", whatever its key."
	case m.NullKey:
		return "Without a key it goes to any partition."
	}
	p := kafka.PartitionFor([]byte(m.Key), n)
	return "This key goes to partition " + strconv.Itoa(int(p)) + " of " + strconv.Itoa(int(n)) + "."
}

func (s *Server) showProduce(c echo.Context, status int, m page.ProduceModel) error {
	t, _, err := s.topicOf(c)
	if err != nil {
		return err
	}
	m.Head = topicHead(t, "produce")
	m.Partitions = partitionOptions(t, "Partitioner (by key)")
	m.Chosen = chosenPartition(t, m)
	m.Compacted = s.compacted(c, t)
	return s.render(c, status, topicPage(t), page.Produce(m))
}
