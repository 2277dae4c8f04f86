package metadata

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// kafkaTopicSettings are the names that Apache Kafka 4.3.1 has.
const kafkaTopicSettings = `cleanup.policy compression.gzip.level compression.lz4.level compression.type compression.zstd.level
delete.retention.ms file.delete.delay.ms flush.messages flush.ms follower.replication.throttled.replicas index.interval.bytes
leader.replication.throttled.replicas local.retention.bytes local.retention.ms max.compaction.lag.ms max.message.bytes
message.timestamp.after.max.ms message.timestamp.before.max.ms message.timestamp.type min.cleanable.dirty.ratio min.compaction.lag.ms
min.insync.replicas preallocate remote.log.copy.disable remote.log.delete.on.disable remote.storage.enable retention.bytes
retention.ms segment.bytes segment.index.bytes segment.jitter.ms segment.ms unclean.leader.election.enable`

func TestTopicSettings_AreKafkas(t *testing.T) {
	want := strings.Fields(kafkaTopicSettings)
	for i, s := range TopicSettings() {
		if i >= len(want) || s.Name != want[i] {
			t.Fatalf("setting %d is %s", i, s.Name)
		}
	}
	if len(TopicSettings()) != len(want) {
		t.Errorf("%d settings, Kafka has %d", len(TopicSettings()), len(want))
	}
}

func TestSettings_TablesAreSound(t *testing.T) {
	for _, table := range [][]*Setting{TopicSettings(), BrokerSettings()} {
		for i, s := range table {
			if i > 0 && table[i-1].Name == s.Name {
				t.Errorf("%s is there twice", s.Name)
			}
			if s.Doc == "" || s.Type == 0 {
				t.Errorf("%s has no doc or type", s.Name)
			}
			if s.Default != nil {
				if err := s.Validate(*s.Default); err != nil {
					t.Errorf("its own default is refused: %v", err)
				}
			}
			for _, f := range s.Fallback {
				if brokerSettings[f.Name] == nil {
					t.Errorf("%s falls back on %s, which is not there", s.Name, f.Name)
				}
			}
		}
	}
	for _, s := range TopicSettings() {
		if s.Default == nil {
			t.Errorf("topic setting %s has no default", s.Name)
		}
	}
}

// TestValidateTopicConfig has the words of Apache Kafka 4.3.1, asked on the wire.
func TestValidateTopicConfig(t *testing.T) {
	for _, c := range []struct{ config, want string }{
		{"foo=x", "Unknown topic config name: foo"},
		{"retention.ms=abc", "Invalid value abc for configuration retention.ms: Not a number of type LONG"},
		{"retention.ms=-5", "Invalid value -5 for configuration retention.ms: Value must be at least -1"},
		{"cleanup.policy=foo", "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"},
		{"cleanup.policy=none,delete", "Invalid value none for configuration cleanup.policy: String must be one of: compact, delete"},
		{"preallocate=maybe", "Invalid value maybe for configuration preallocate: Expected value to be either true or false"},
		{"min.cleanable.dirty.ratio=1.5", "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
		{"segment.bytes=99999999999", "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT"},
		{"segment.bytes=10", "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576"},
		{"min.compaction.lag.ms=10 max.compaction.lag.ms=5", "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)"},
		{"remote.storage.enable=true", "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."},
		{"leader.replication.throttled.replicas=x", "Invalid value [x] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
		{"compression.type=foo", "Invalid value foo for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
		{"compression.gzip.level=0", "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
		{"compression.zstd.level=100", "Invalid value 100 for configuration compression.zstd.level: Value must be no more than 22"},
		{"message.timestamp.type=x", "Invalid value x for configuration message.timestamp.type: String must be one of: CreateTime, LogAppendTime"},
		{"min.insync.replicas=0", "Invalid value 0 for configuration min.insync.replicas: Value must be at least 1"},
		{"local.retention.ms=-3", "Invalid value -3 for configuration local.retention.ms: Value must be at least -2"},
		{"message.downconversion.enable=true", "Unknown topic config name: message.downconversion.enable"},
		{"min.cleanable.dirty.ratio=NaN", "Invalid value NaN for configuration min.cleanable.dirty.ratio: Not a number of type DOUBLE"}, // Kafka takes it
		{"cleanup.policy=compact,delete", ""},
		{"cleanup.policy=", ""},
		{"retention.bytes=-2", ""},
		{"retention.ms=-1", ""},
		{"preallocate=TRUE", ""},
		{"leader.replication.throttled.replicas=*", ""},
		{"leader.replication.throttled.replicas=0:1,1:2", ""},
		{"compression.gzip.level=-1", ""},
		{"remote.storage.enable=false remote.log.copy.disable=true", ""},
	} {
		config := map[string]string{}
		for _, kv := range strings.Fields(c.config) {
			k, v, _ := strings.Cut(kv, "=")
			config[k] = v
		}
		err := ValidateTopicConfig(config)
		got := ""
		if err != nil {
			got = err.Error()
			if !errors.Is(err, kerr.InvalidConfig) {
				t.Errorf("%s: %v is not INVALID_CONFIG", c.config, err)
			}
		}
		if got != c.want {
			t.Errorf("%s\n got %q\nwant %q", c.config, got, c.want)
		}
	}
}

func TestValidateBrokerConfig(t *testing.T) {
	for _, c := range []struct {
		name, value string
		all         bool
		want        string
	}{
		{"num.partitions", "3", false, "Cannot update these configs dynamically: [num.partitions]"},
		{"listeners", "x", true, "Cannot update these configs at default cluster level, broker id must be specified: [listeners]"},
		{"log.retention.ms", "x", false, "Invalid value x for configuration log.retention.ms: Not a number of type LONG"},
		{"message.max.bytes", "-7", true, "Invalid value -7 for configuration message.max.bytes: Value must be at least 0"},
		{"log.retention.ms", "1000", true, ""},
		{"foo.bar", "3", false, ""},
	} {
		err := ValidateBrokerConfig(map[string]string{c.name: c.value}, c.all)
		got := ""
		if err != nil {
			got = err.Error()
			if !errors.Is(err, kerr.InvalidRequest) {
				t.Errorf("%v is not INVALID_REQUEST", err)
			}
		}
		if got != c.want {
			t.Errorf("%s=%s\n got %q\nwant %q", c.name, c.value, got, c.want)
		}
	}
	if ValidateStaticConfig(map[string]string{"num.partitions": "0"}) == nil || ValidateStaticConfig(map[string]string{"nope": "1"}) == nil {
		t.Error("a bad static setting is accepted")
	}
}

func find(t *testing.T, values []ConfigValue, name string) ConfigValue {
	t.Helper()
	for _, v := range values {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("%s is not told", name)
	return ConfigValue{}
}

// synonyms writes down the values of a setting as "name=value/source".
func synonyms(c ConfigValue) string {
	var out []string
	for _, s := range c.Synonyms {
		out = append(out, s.Name+"="+*s.Value+"/"+string(rune('0'+s.Source)))
	}
	return strings.Join(out, " ")
}

// TestDescribe has the sources and synonyms that Apache Kafka 4.3.1 gave for
// the same settings.
func TestDescribe(t *testing.T) {
	i, _ := apply(t, NewImage(map[string]string{"num.partitions": "3"}), topic(1, "t", 1)...)
	describe := func(name string) ConfigValue { return find(t, i.DescribeTopic(i.Topic("t").Config, 1), name) }
	if c := describe("retention.ms"); *c.Value.Value != week || c.Source != SourceDefault || synonyms(c) != "" {
		t.Errorf("default: %s %d [%s]", *c.Value.Value, c.Source, synonyms(c))
	}
	if c := describe("cleanup.policy"); synonyms(c) != "log.cleanup.policy=delete/5" {
		t.Errorf("default: [%s]", synonyms(c))
	}
	if c := describe("remote.storage.enable"); synonyms(c) != "" || c.Source != SourceDefault {
		t.Errorf("without fallback: [%s]", synonyms(c))
	}
	i, _ = apply(t, i, config(Resource{ResourceBroker, "1"}, "log.retention.ms", "12345"), config(Resource{ResourceBroker, ""}, "log.retention.ms", "54321"))
	if c := describe("retention.ms"); *c.Value.Value != "12345" || c.Source != SourceBroker {
		t.Errorf("of the broker: %s %d", *c.Value.Value, c.Source)
	}
	if c := find(t, i.DescribeTopic(nil, 2), "retention.ms"); *c.Value.Value != "54321" || c.Source != SourceClusterDefault {
		t.Errorf("of all brokers: %s %d", *c.Value.Value, c.Source)
	}
	i, _ = apply(t, i, config(Resource{ResourceTopic, "t"}, "retention.ms", "1000"))
	if c := describe("retention.ms"); c.Source != SourceTopic ||
		synonyms(c) != "retention.ms=1000/1 log.retention.ms=12345/2 log.retention.ms=54321/3 log.retention.hours=168/5" {
		t.Errorf("of the topic: [%s]", synonyms(c))
	}
	b := find(t, i.DescribeBroker(1, nil), "log.retention.ms")
	if b.ReadOnly || synonyms(b) != "log.retention.ms=12345/2 log.retention.ms=54321/3 log.retention.hours=168/5" {
		t.Errorf("the broker's: [%s]", synonyms(b))
	}
	if b := find(t, i.DescribeBroker(3, map[string]string{"node.id": "3"}), "node.id"); *b.Value.Value != "3" || b.Source != SourceStatic || !b.ReadOnly {
		t.Errorf("node.id: %+v", b)
	}
	if b := find(t, i.DescribeBroker(1, nil), "num.partitions"); synonyms(b) != "num.partitions=3/4 num.partitions=1/5" {
		t.Errorf("num.partitions: [%s]", synonyms(b))
	}
	if all := i.DescribeCluster(); len(all) != 1 || synonyms(all[0]) != "log.retention.ms=54321/3" {
		t.Errorf("of all brokers: %+v", all)
	}
}

func TestDescribeBroker_AnUnknownSettingIsSensitive(t *testing.T) {
	i, _ := apply(t, NewImage(nil), config(Resource{ResourceBroker, "1"}, "my.plugin.secret", "x"))
	if c := find(t, i.DescribeBroker(1, nil), "my.plugin.secret"); !c.Sensitive() || c.Source != SourceBroker {
		t.Errorf("%+v", c)
	}
}

func TestEffectiveTopicConfig(t *testing.T) {
	i, _ := apply(t, NewImage(map[string]string{"log.retention.hours": "24", "log.segment.bytes": "2097152"}), topic(1, "t", 1)...)
	c := i.EffectiveTopicConfig(i.Topic("t"), 1)
	if !c.CleanupDelete || c.CleanupCompact || c.RetentionAge != 24*time.Hour || c.SegmentBytes != 2<<20 ||
		c.RetentionBytes != -1 || c.MaxMessageBytes != 1048588 || c.MinCleanableRatio != 0.5 || c.TimestampBeforeMax < 100*365*24*time.Hour {
		t.Errorf("%+v", c)
	}
	i, _ = apply(t, i, config(Resource{ResourceTopic, "t"}, "cleanup.policy", "compact"), config(Resource{ResourceTopic, "t"}, "retention.ms", "-1"),
		config(Resource{ResourceTopic, "t"}, "message.timestamp.type", "LogAppendTime"), config(Resource{ResourceBroker, "2"}, "log.segment.bytes", "3145728"))
	c = i.EffectiveTopicConfig(i.Topic("t"), 2)
	if c.CleanupDelete || !c.CleanupCompact || c.RetentionAge >= 0 || !c.LogAppendTime || c.SegmentBytes != 3<<20 {
		t.Errorf("%+v", c)
	}
}
