package compat

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// tools is the story of Apache Kafka's command line tools: the classes that its bin/*.sh scripts start.
type tools struct {
	c     *cluster
	java  []string
	topic string
	all   []record // what franz-go read of topic at the end of the first life
	group *lineGroup
}

func newTools(t *testing.T, c *cluster) story {
	return &tools{c: c, java: java(t, ""), topic: unique("cli")}
}

// classes by the names of the scripts.
var toolClasses = map[string]string{
	"kafka-topics":           "org.apache.kafka.tools.TopicCommand",
	"kafka-configs":          "kafka.admin.ConfigCommand",
	"kafka-get-offsets":      "org.apache.kafka.tools.GetOffsetShell",
	"kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
	"kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
	"kafka-consumer-groups":  "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}

// cmd is the command line of a tool.
func (k *tools) cmd(tool string, args ...string) []string {
	return append(append(slices.Clone(k.java), toolClasses[tool], "--bootstrap-server", k.c.bootstrap), args...)
}

// run runs a tool, which has to succeed, and returns what it printed.
func (k *tools) run(t *testing.T, stdin, tool string, args ...string) string {
	t.Helper()
	return command(t, stdin, k.cmd(tool, args...)...)
}

// says fails the test unless a tool printed all of these (regular expressions).
func says(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !regexp.MustCompile(w).MatchString(out) {
			t.Errorf("no %q in:\n%s", w, out)
		}
	}
}

func (k *tools) firstLife(t *testing.T) {
	k.checkTopics(t)
	k.write(t)
	k.readAgain(t)

	work := unique("cli-work")
	k.group = newLineGroup(t, k.c, work, unique("cli-group"))
	producer := spawn(t, "producer", k.cmd("kafka-console-producer", "--topic", work, "--reader-property", "parse.key=true",
		"--reader-property", "key.separator=:", "--command-property", "linger.ms=0", "--request-timeout-ms", "10000", "--message-send-max-retries", "1000",
		"--command-property", "delivery.timeout.ms=60000")...)
	k.group.send = producer.write
	k.group.parse = parseConsole
	k.group.member = func(name string) []string {
		return k.cmd("kafka-console-consumer", append(consoleFormat(), "--topic", work, "--group", k.group.group, "--from-beginning",
			"--command-property", "client.id=compat-cli-"+name, "--command-property", "session.timeout.ms=10000", "--command-property", "heartbeat.interval.ms=500",
			"--command-property", "auto.commit.interval.ms=200")...)
	}
	k.group.firstLife(t)
	k.describeGroup(t)
}

func (k *tools) secondLife(t *testing.T) {
	k.readAgain(t)
	k.group.secondLife(t)
}

func (k *tools) thirdLife(t *testing.T) {
	k.group.thirdLife(t)
	k.resetGroup(t)
	k.run(t, "", "kafka-topics", "--delete", "--topic", k.topic)
	k.run(t, "", "kafka-topics", "--delete", "--topic", k.group.topic)
	eventually(t, 30*time.Second, func() error {
		if out := k.run(t, "", "kafka-topics", "--list"); strings.Contains(out, k.topic) || strings.Contains(out, k.group.topic) {
			return fmt.Errorf("deleted topics are still listed:\n%s", out)
		}
		return nil
	})
}

func (k *tools) checkTopics(t *testing.T) {
	says(t, k.run(t, "", "kafka-topics", "--create", "--topic", k.topic, "--partitions", "4", "--config", "retention.ms=7200000"), "Created topic "+k.topic)
	if _, err := output(t, "", k.cmd("kafka-topics", "--create", "--topic", k.topic)...); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second --create: %v", err)
	}
	k.run(t, "", "kafka-topics", "--alter", "--topic", k.topic, "--partitions", strconv.Itoa(partitions))
	k.run(t, "", "kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", k.topic, "--add-config", "max.message.bytes=1500000,segment.bytes=10485760",
		"--delete-config", "retention.ms")
	says(t, k.run(t, "", "kafka-configs", "--describe", "--entity-type", "topics", "--entity-name", k.topic), `max\.message\.bytes=1500000`, `segment\.bytes=10485760`)
	// What another broker knows of a change comes a moment later on Apache Kafka.
	eventually(t, 60*time.Second, func() error {
		out := k.run(t, "", "kafka-topics", "--describe", "--topic", k.topic)
		if !regexp.MustCompile(`PartitionCount: 6\b`).MatchString(out) || !regexp.MustCompile(`Partition: 5\s+Leader: \d`).MatchString(out) ||
			!strings.Contains(out, "max.message.bytes=1500000") || strings.Contains(out, "retention.ms") {
			return fmt.Errorf("kafka-topics --describe:\n%s", out)
		}
		return nil
	})
}

// write produces with each codec, keys, headers and nulls.
func (k *tools) write(t *testing.T) {
	count := 0
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		var lines strings.Builder
		for i := range 20 {
			fmt.Fprintf(&lines, "codec:%s,n:%d\tkey-%d\t%s %d %s\n", codec, i, i%10, codec, i, strings.Repeat("again and ", 20))
			count++
		}
		fmt.Fprintf(&lines, "NULL\ttomb\tNULL\nNULL\tNULL\tno key\n")
		count += 2
		k.run(t, lines.String(), "kafka-console-producer", "--topic", k.topic, "--compression-codec", codec,
			"--reader-property", "parse.key=true", "--reader-property", "parse.headers=true", "--reader-property", "null.marker=NULL")
	}
	k.all = readAll(t, k.c, k.topic, count)
	var nulls, keys int
	last := map[string]string{}
	for _, r := range k.all {
		if string(r.Key) == "tomb" && r.Value == nil || r.Key == nil && string(r.Value) == "no key" {
			nulls++
			continue
		}
		if len(r.Headers) != 2 || !strings.HasPrefix(string(r.Value), string(r.Headers[0].Value)+" "+string(r.Headers[1].Value)+" ") {
			t.Errorf("headers %q of %q", r.Headers, r.Value)
		}
		keys++
		last[string(r.Key)] = string(r.Value)
	}
	if nulls != 10 || keys != 100 || len(last) != 10 {
		t.Errorf("%d records with nulls, %d others with %d keys", nulls, keys, len(last))
	}
}

// readAgain reads the topic by kafka-console-consumer, which must show just what franz-go read, and its ends.
func (k *tools) readAgain(t *testing.T) {
	t.Helper()
	out := k.run(t, "", "kafka-console-consumer", append(consoleFormat(), "--topic", k.topic, "--from-beginning",
		"--max-messages", strconv.Itoa(len(k.all)), "--timeout-ms", "30000")...)
	var got []record
	for line := range strings.Lines(out) {
		r, err := parseConsole(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	same(t, "read by kafka-console-consumer", got, k.all)
	ends := map[int32]int64{}
	for _, r := range k.all {
		ends[r.Partition] = max(ends[r.Partition], r.Offset+1)
	}
	out = k.run(t, "", "kafka-get-offsets", "--topic", k.topic)
	for p := range int32(partitions) {
		says(t, out, fmt.Sprintf(`(?m)^%s:%d:%d$`, k.topic, p, ends[p]))
	}
}

func consoleFormat() []string {
	var args []string
	for _, p := range []string{"print.timestamp", "print.partition", "print.offset", "print.headers", "print.key"} {
		args = append(args, "--formatter-property", p+"=true")
	}
	return append(args, "--formatter-property", "null.literal=NULL")
}

// parseConsole reads a line of kafka-console-consumer with consoleFormat.
func parseConsole(line string) (record, error) {
	f := strings.Split(line, "\t")
	if len(f) != 6 {
		return record{}, fmt.Errorf("%d fields, not 6", len(f))
	}
	var r record
	for i, part := range []struct {
		prefix string
		to     *int64
	}{{"CreateTime:", &r.Timestamp}, {"Partition:", nil}, {"Offset:", &r.Offset}} {
		digits, ok := strings.CutPrefix(f[i], part.prefix)
		n, err := strconv.ParseInt(digits, 10, 64)
		if !ok || err != nil {
			return record{}, fmt.Errorf("no %s in %q", part.prefix, f[i])
		}
		if part.to == nil {
			r.Partition = int32(n)
		} else {
			*part.to = n
		}
	}
	if f[3] != "NO_HEADERS" {
		for one := range strings.SplitSeq(f[3], ",") {
			name, value, _ := strings.Cut(one, ":")
			r.Headers = append(r.Headers, header{name, []byte(value)})
		}
	}
	r.Key, r.Value = orNull(f[4]), orNull(f[5])
	return r, nil
}

func orNull(s string) []byte {
	if s == "NULL" {
		return nil
	}
	return []byte(s)
}

// describeGroup looks at the group while its two members are at work.
func (k *tools) describeGroup(t *testing.T) {
	g := k.group.group
	says(t, k.run(t, "", "kafka-consumer-groups", "--list"), `(?m)^`+g+`$`)
	out := k.run(t, "", "kafka-consumer-groups", "--describe", "--group", g)
	for p, end := range k.group.next {
		says(t, out, fmt.Sprintf(`%s\s+%s\s+%d\s+%d\s+%d\s+0\s+\S+\s+\S+\s+compat-cli-(one|two)`, g, k.group.topic, p, end, end))
	}
	says(t, k.run(t, "", "kafka-consumer-groups", "--describe", "--group", g, "--members"), `compat-cli-one\s+3\b`, `compat-cli-two\s+3\b`)
	says(t, k.run(t, "", "kafka-consumer-groups", "--describe", "--group", g, "--state"), g+`\s+\S+\s+\(\d\)\s+range\s+Stable\s+2`)
}

// resetGroup sets the offsets of the group back, once it is empty, and deletes it.
func (k *tools) resetGroup(t *testing.T) {
	g := k.group.group
	eventually(t, 30*time.Second, func() error {
		d, err := k.group.adm.DescribeGroups(t.Context(), g)
		if err == nil && d[g].State != "Empty" {
			err = fmt.Errorf("the group is %s", d[g].State)
		}
		return err
	})
	out := k.run(t, "", "kafka-consumer-groups", "--reset-offsets", "--group", g, "--topic", k.group.topic, "--to-offset", "2", "--execute")
	for p := range partitions {
		says(t, out, fmt.Sprintf(`%s\s+%s\s+%d\s+2`, g, k.group.topic, p))
	}
	offsets, err := k.group.adm.FetchOffsets(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	offsets.Each(func(o kadm.OffsetResponse) {
		if o.At != 2 {
			t.Errorf("after the reset the offset of partition %d is %d", o.Partition, o.At)
		}
	})
	says(t, k.run(t, "", "kafka-consumer-groups", "--delete", "--group", g), `Deletion of requested consumer groups \('`+g+`'\) was successful`)
	if out := k.run(t, "", "kafka-consumer-groups", "--list"); strings.Contains(out, g) {
		t.Errorf("the deleted group is listed:\n%s", out)
	}
}
