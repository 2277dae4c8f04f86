package page

import "github.com/logarium/logarium/templates/ui"

// MessagesModel is a topic's messages.
type MessagesModel struct {
	Head       TopicHead
	From       string
	Offset     string
	Time       string
	Partition  string
	Limit      string
	Filter     string
	Partitions []ui.Option
	Problems   map[string]string // by field
	Failure    string

	Tail       bool   // the live tail instead of a page of records
	Stream     string // what the tail asks the live stream for
	Rows       []RecordRow
	Read       bool // records were read: Rows is the answer, if an empty one
	Descending bool
	Summary    string // what was looked at and why it ended
	More       bool   // it ended at a limit, not at the end of the topic
	Troubles   []string
	Older      string // address of the page with older records
	Newer      string
	Empty      bool // the topic holds no record at all
}

// fromOptions are the beginnings, in the words that people know.
var fromOptions = []ui.Option{
	{Value: "newest", Label: "Newest"}, {Value: "oldest", Label: "Oldest"}, {Value: "tail", Label: "Live tail"},
	{Value: "offset", Label: "From offset"}, {Value: "time", Label: "Since time"},
}

var limitOptions = []ui.Option{
	{Value: "25", Label: "25"}, {Value: "50", Label: "50"}, {Value: "100", Label: "100"}, {Value: "250", Label: "250"}, {Value: "500", Label: "500"},
}

// Text is bytes as a person reads them.
type Text struct {
	Kind    string // "null", "empty", "json", "text" or "binary"
	Size    int
	Text    string
	Preview string
	Cut     int    // bytes that Text leaves out
	Why     string // why it is shown as binary
}

// HeaderRow is one header of a record.
type HeaderRow struct {
	Key   string
	Value Text
}

// RecordRow is one record.
type RecordRow struct {
	Partition  int32
	Offset     int64
	Href       string
	Clock, ISO string
	AppendTime bool
	Key, Value Text
	Headers    []HeaderRow
	Size       int64
	Codec      string
	Epoch      int32
	ProducerID string // "" if the producer has none
	InTxn      bool
}

// RecordModel is the page of one record.
type RecordModel struct {
	Head      TopicHead
	Row       RecordRow
	Found     bool
	Partition int32
	Offset    int64
	Missing   string // why it is not there
	Prev      string
	Next      string
	RawKey    string // addresses of the downloads
	RawValue  string
}

// ProduceModel is the form for a new record.
type ProduceModel struct {
	Head       TopicHead
	Partition  string
	Partitions []ui.Option
	Key        string
	NullKey    bool
	Value      string
	NullValue  bool
	Headers    []HeaderInput
	Keep       bool
	Problems   map[string]string
	Failure    string
	Sent       *SentRecord
	Compacted  bool
	Chosen     string // the partition that the key leads to, in words
}

// HeaderInput is one header as it was typed.
type HeaderInput struct {
	Key, Value string
}

// SentRecord is where a record ended up.
type SentRecord struct {
	Partition int32
	Offset    int64
	Href      string
}
