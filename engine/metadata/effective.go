package metadata

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Source is the protocol's number of where the value of a setting comes from.
type Source int8

// The sources of values, the strongest first.
const (
	SourceTopic          Source = 1 // set for the topic
	SourceBroker         Source = 2 // set for the broker
	SourceClusterDefault Source = 3 // set for all brokers
	SourceStatic         Source = 4 // given at start
	SourceDefault        Source = 5 // the table's
)

// Value is a value of a setting and where it comes from.
type Value struct {
	Name   string // of the setting that holds it
	Value  *string
	Source Source
}

// ConfigValue is a setting as it is in effect. Synonyms are all values that
// it could have, the one in effect first.
type ConfigValue struct {
	Value
	Setting  *Setting // nil: not in the table
	ReadOnly bool
	Synonyms []Value
}

// Sensitive says that the value must not be shown: nothing is known of it.
func (v *ConfigValue) Sensitive() bool { return v.Setting == nil || v.Setting.Type == TypePassword }

// broker appends the values that a broker setting has in each place.
func (i *Image) broker(values []Value, name string, id int32, own map[string]string) []Value {
	for _, place := range []struct {
		config map[string]string
		source Source
	}{{i.BrokerConfig(id), SourceBroker}, {i.ClusterConfig(), SourceClusterDefault}, {own, SourceStatic}, {i.static, SourceStatic}} {
		if v, ok := place.config[name]; ok {
			values = append(values, Value{Name: name, Value: &v, Source: place.source})
		}
	}
	if s := brokerSettings[name]; s != nil && s.Default != nil {
		values = append(values, Value{Name: name, Value: s.Default, Source: SourceDefault})
	}
	return values
}

// fallback appends the values of the settings that s falls back on. The
// default of an older one in another unit is told only beside other values,
// since the default of s is the same.
func (i *Image) fallback(values []Value, s *Setting, id int32, own map[string]string) []Value {
	for n, f := range s.Fallback {
		more := i.broker(nil, f.Name, id, own)
		for _, v := range more {
			if n > 0 && v.Source == SourceDefault && len(values) == 0 {
				continue
			}
			values = append(values, v)
		}
	}
	return values
}

// DescribeTopic returns every topic setting of a topic with the given own
// settings, as it is in effect on a broker, by name.
func (i *Image) DescribeTopic(config map[string]string, broker int32) []ConfigValue {
	out := make([]ConfigValue, 0, len(topicTable))
	for _, s := range topicTable {
		var values []Value
		if v, ok := config[s.Name]; ok {
			values = append(values, Value{Name: s.Name, Value: &v, Source: SourceTopic})
		}
		values = i.fallback(values, s, broker, nil)
		out = append(out, inEffect(s, values))
	}
	return out
}

// inEffect makes a ConfigValue of the values that a setting could have.
func inEffect(s *Setting, values []Value) ConfigValue {
	c := ConfigValue{Setting: s, Synonyms: values, Value: Value{Name: s.Name, Value: s.Default, Source: SourceDefault}}
	if len(values) > 0 {
		c.Value.Value, c.Source = s.convert(values[0]), values[0].Source
	}
	return c
}

// convert returns a value of another setting in the unit of s.
func (s *Setting) convert(v Value) *string {
	for _, f := range s.Fallback {
		if f.Name == v.Name && f.Factor > 0 && v.Value != nil {
			n := strconv.FormatInt(scale(mustInt(*v.Value), f.Factor), 10)
			return &n
		}
	}
	return v.Value
}

// scale multiplies a time, keeping "none" (below 0) and what would overflow.
func scale(n, factor int64) int64 {
	switch {
	case n < 0:
		return -1
	case n > math.MaxInt64/factor:
		return math.MaxInt64
	}
	return n * factor
}

// DescribeBroker returns every setting of a broker, as it is in effect, by
// name. own holds what is static and the broker's alone, such as node.id.
func (i *Image) DescribeBroker(id int32, own map[string]string) []ConfigValue {
	out := make([]ConfigValue, 0, len(brokerTable))
	for _, s := range brokerTable {
		values := i.fallback(i.broker(nil, s.Name, id, own), s, id, own)
		c := inEffect(s, values)
		if len(values) > 0 && values[0].Name != s.Name {
			// A broker setting is shown as it is set, older ones beside it.
			c.Value = Value{Name: s.Name, Value: s.Default, Source: SourceDefault}
		}
		c.ReadOnly = s.Update == ReadOnly
		out = append(out, c)
	}
	known := union(i.BrokerConfig(id), i.ClusterConfig())
	for _, name := range sortedKeys(known) {
		if brokerSettings[name] == nil {
			values := i.broker(nil, name, id, own)
			out = append(out, ConfigValue{Value: values[0], Synonyms: values})
		}
	}
	return out
}

// DescribeCluster returns the settings that are set for all brokers, by name.
func (i *Image) DescribeCluster() []ConfigValue {
	var out []ConfigValue
	config := i.ClusterConfig()
	for _, name := range sortedKeys(config) {
		value := config[name]
		v := Value{Name: name, Value: &value, Source: SourceClusterDefault}
		out = append(out, ConfigValue{Value: v, Setting: brokerSettings[name], Synonyms: []Value{v}})
	}
	return out
}

// BrokerString returns the value of a broker setting for all brokers: set for
// all, given at start, or the default; empty if there is none.
func (i *Image) BrokerString(name string) string {
	for _, config := range []map[string]string{i.ClusterConfig(), i.static} {
		if v, ok := config[name]; ok {
			return v
		}
	}
	if s := brokerSettings[name]; s != nil && s.Default != nil {
		return *s.Default
	}
	return ""
}

// BrokerInt returns the value of a broker setting that is a whole number.
func (i *Image) BrokerInt(name string) int64 { return mustInt(i.BrokerString(name)) }

// BrokerBool returns the value of a broker setting that is true or false.
func (i *Image) BrokerBool(name string) bool {
	v, _ := parseBool(i.BrokerString(name))
	return v
}

// ReplicationFactor returns the value of a broker setting that is a replication
// factor: as it is set, else the default, but not above the number of brokers
// that are not fenced.
func (i *Image) ReplicationFactor(name string) int {
	for _, config := range []map[string]string{i.ClusterConfig(), i.static} {
		if v, ok := config[name]; ok {
			return int(mustInt(v))
		}
	}
	live := 0
	for n := range i.brokers {
		if !i.brokers[n].Fenced {
			live++
		}
	}
	return max(1, min(int(i.BrokerInt(name)), live))
}

// TopicConfig holds the settings of a topic as they are in effect, ready for
// use. Durations that do not fit are the longest there is, 292 years.
type TopicConfig struct {
	CleanupDelete, CleanupCompact bool
	CompressionType               string // "producer": as it comes
	GzipLevel, LZ4Level           int
	ZstdLevel                     int
	DeleteRetention               time.Duration
	FileDeleteDelay               time.Duration
	FlushMessages                 int64
	FlushInterval                 time.Duration
	IndexIntervalBytes            int
	MaxCompactionLag              time.Duration
	MaxMessageBytes               int
	TimestampAfterMax             time.Duration
	TimestampBeforeMax            time.Duration
	LogAppendTime                 bool
	MinCleanableRatio             float64
	MinCompactionLag              time.Duration
	MinInsyncReplicas             int
	RetentionBytes                int64         // below 0: no limit
	RetentionAge                  time.Duration // below 0: no limit
	SegmentBytes                  int64
	SegmentIndexBytes             int
	SegmentAge                    time.Duration
	SegmentJitter                 time.Duration
	UncleanElection               bool
}

// EffectiveTopicConfig returns the settings of a topic as they are in effect
// on a broker. It reads text: keep the result until a delta names the topic,
// the broker or all brokers.
func (i *Image) EffectiveTopicConfig(t *Topic, broker int32) TopicConfig {
	get := func(name string) string { return i.effective(t.Config, topicSettings[name], broker) }
	number := func(name string) int64 { return mustInt(get(name)) }
	age := func(name string) time.Duration { return milliseconds(number(name)) }
	yes := func(name string) bool { v, _ := parseBool(get(name)); return v }
	c := TopicConfig{
		CompressionType:    get("compression.type"),
		GzipLevel:          int(number("compression.gzip.level")),
		LZ4Level:           int(number("compression.lz4.level")),
		ZstdLevel:          int(number("compression.zstd.level")),
		DeleteRetention:    age("delete.retention.ms"),
		FileDeleteDelay:    age("file.delete.delay.ms"),
		FlushMessages:      number("flush.messages"),
		FlushInterval:      age("flush.ms"),
		IndexIntervalBytes: int(number("index.interval.bytes")),
		MaxCompactionLag:   age("max.compaction.lag.ms"),
		MaxMessageBytes:    int(number("max.message.bytes")),
		TimestampAfterMax:  age("message.timestamp.after.max.ms"),
		TimestampBeforeMax: age("message.timestamp.before.max.ms"),
		LogAppendTime:      get("message.timestamp.type") == "LogAppendTime",
		MinCompactionLag:   age("min.compaction.lag.ms"),
		MinInsyncReplicas:  int(number("min.insync.replicas")),
		RetentionBytes:     number("retention.bytes"),
		RetentionAge:       age("retention.ms"),
		SegmentBytes:       number("segment.bytes"),
		SegmentIndexBytes:  int(number("segment.index.bytes")),
		SegmentAge:         age("segment.ms"),
		SegmentJitter:      age("segment.jitter.ms"),
		UncleanElection:    yes("unclean.leader.election.enable"),
	}
	for _, policy := range SplitList(get("cleanup.policy")) {
		c.CleanupDelete = c.CleanupDelete || policy == "delete"
		c.CleanupCompact = c.CleanupCompact || policy == "compact"
	}
	if ratio, err := strconv.ParseFloat(strings.TrimSpace(get("min.cleanable.dirty.ratio")), 64); err == nil {
		c.MinCleanableRatio = ratio
	}
	return c
}

// effective returns the value of a topic setting, without its synonyms.
func (i *Image) effective(config map[string]string, s *Setting, broker int32) string {
	if v, ok := config[s.Name]; ok {
		return v
	}
	for _, f := range s.Fallback {
		for _, place := range []map[string]string{i.BrokerConfig(broker), i.ClusterConfig(), i.static} {
			if v, ok := place[f.Name]; ok {
				return *s.convert(Value{Name: f.Name, Value: &v})
			}
		}
	}
	return *s.Default
}

func milliseconds(n int64) time.Duration {
	return time.Duration(scale(n, int64(time.Millisecond)))
}
