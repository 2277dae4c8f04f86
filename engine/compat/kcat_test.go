package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// kcat is the story of kcat, which drives an old librdkafka by its command line.
type kcat struct {
	c     *cluster
	bin   string
	adm   *kadm.Client
	topic string
	all   []record // what franz-go read of topic at the end of the first life
	group *lineGroup
}

func newKcat(t *testing.T, c *cluster) story {
	return &kcat{c: c, bin: kcatPath(t), topic: unique("kcat")}
}

// cmd is a kcat command line; -E: it goes on when the brokers are away for a while.
func (k *kcat) cmd(args ...string) []string {
	return append([]string{k.bin, "-b", k.c.bootstrap, "-E", "-X", "client.id=compat-kcat", "-X", "reconnect.backoff.max.ms=500"}, args...)
}

func (k *kcat) firstLife(t *testing.T) {
	k.adm = kadm.NewClient(kgoClient(t, k.c))
	if _, err := k.adm.CreateTopic(t.Context(), partitions, -1, nil, k.topic); err != nil {
		t.Fatal(err)
	}
	k.c.created(t, k.topic)
	k.checkMetadata(t)
	k.write(t)
	k.checkTimes(t)

	work := unique("kcat-work")
	k.group = newLineGroup(t, k.c, work, unique("kcat-group"))
	// A kcat that lives on would be no use: it reads its input in blocks, and sends a line when its block is full.
	k.group.send = func(t *testing.T, lines string) {
		t.Helper()
		command(t, lines, k.cmd("-P", "-t", work, "-K", ":", "-X", "partitioner=murmur2_random")...)
	}
	k.group.parse = parseKcat
	k.group.member = func(name string) []string {
		return k.cmd("-J", "-u", "-q", "-X", "client.id=compat-kcat-"+name, "-X", "session.timeout.ms=10000", "-X", "heartbeat.interval.ms=500",
			"-X", "auto.commit.interval.ms=200", "-X", "auto.offset.reset=earliest", "-G", k.group.group, work)
	}
	k.group.firstLife(t)
}

func (k *kcat) secondLife(t *testing.T) {
	k.readAgain(t)
	k.group.secondLife(t)
}

func (k *kcat) thirdLife(t *testing.T) {
	k.readAgain(t)
	k.group.thirdLife(t)
	if _, err := k.adm.DeleteTopics(t.Context(), k.topic, k.group.topic); err != nil {
		t.Error(err)
	}
	eventually(t, 20*time.Second, func() error {
		if out := command(t, "", k.cmd("-L", "-J")...); strings.Contains(out, k.topic) {
			return fmt.Errorf("the deleted topic is still listed")
		}
		return nil
	})
}

func (k *kcat) checkMetadata(t *testing.T) {
	eventually(t, 20*time.Second, func() error {
		var meta struct {
			Brokers []struct{ ID int32 }
			Topics  []struct {
				Topic      string
				Partitions []struct{ Partition, Leader int32 }
			}
		}
		if err := json.Unmarshal([]byte(command(t, "", k.cmd("-L", "-J")...)), &meta); err != nil {
			return err
		}
		for _, topic := range meta.Topics {
			if topic.Topic == k.topic && len(topic.Partitions) == partitions && len(meta.Brokers) == len(strings.Split(k.c.bootstrap, ",")) {
				return nil
			}
		}
		return fmt.Errorf("%d brokers, topics %v", len(meta.Brokers), meta.Topics)
	})
}

// write produces with each codec, and everything that kcat can make of a record; then both readers must agree on it.
func (k *kcat) write(t *testing.T) {
	byKey := map[string]int{}
	count := 0
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		var lines strings.Builder
		for i := range 30 {
			fmt.Fprintf(&lines, "key-%d:%s %d %s\n", i%10, codec, i, strings.Repeat("again and ", 20))
			byKey[fmt.Sprintf("key-%d", i%10)]++
			count++
		}
		command(t, lines.String(), k.cmd("-P", "-t", k.topic, "-K", ":", "-z", codec, "-H", "codec="+codec, "-H", "twice=1", "-H", "twice=2", "-H", "empty=")...)
	}
	command(t, "tomb:\n", k.cmd("-P", "-t", k.topic, "-K", ":", "-Z", "-p", "3")...)
	command(t, "no key\n", k.cmd("-P", "-t", k.topic, "-p", "4")...)
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte("0123456789abcdef"), 600<<10/16), 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "", k.cmd("-P", "-t", k.topic, "-p", "5", "-k", "big", big)...)
	count += 3

	k.all = readAll(t, k.c, k.topic, count)
	seen, special := map[string]int{}, map[string]bool{}
	for _, r := range k.all {
		switch key := string(r.Key); {
		case key == "tomb":
			special["tombstone"] = r.Value == nil && r.Partition == 3
		case r.Key == nil:
			special["no key"] = string(r.Value) == "no key" && r.Partition == 4
		case key == "big":
			special["big"] = len(r.Value) == 600<<10 && r.Partition == 5
		default:
			seen[key]++
			codec := strings.Fields(string(r.Value))[0]
			if len(r.Headers) != 4 || string(r.Headers[0].Value) != codec || r.Headers[2].Name != "twice" || r.Headers[3].Value == nil {
				t.Errorf("headers of %q: %q", key, r.Headers)
			}
		}
	}
	if fmt.Sprint(seen) != fmt.Sprint(byKey) || !special["tombstone"] || !special["no key"] || !special["big"] {
		t.Errorf("written %v, read %v and %v", byKey, seen, special)
	}
	k.readAgain(t)
}

// readAgain reads the topic by kcat, which must show just what franz-go read.
func (k *kcat) readAgain(t *testing.T) {
	t.Helper()
	same(t, "read by kcat", k.read(t, "-o", "beginning"), k.all)
}

func (k *kcat) read(t *testing.T, args ...string) []record {
	t.Helper()
	var got []record
	for line := range strings.Lines(command(t, "", k.cmd(append([]string{"-C", "-t", k.topic, "-e", "-q", "-J"}, args...)...)...)) {
		r, err := parseKcat(line)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	return got
}

// parseKcat reads a line of kcat -J.
func parseKcat(line string) (record, error) {
	var j struct {
		Partition    int32
		Offset, TS   int64
		TSType       string
		Headers      []string
		Key, Payload *string
	}
	if err := json.Unmarshal([]byte(line), &j); err != nil {
		return record{}, err
	}
	if j.TSType != "create" {
		return record{}, fmt.Errorf("the timestamp is of type %q", j.TSType)
	}
	r := record{Partition: j.Partition, Offset: j.Offset, Timestamp: j.TS}
	if j.Key != nil {
		r.Key = []byte(*j.Key)
	}
	if j.Payload != nil {
		r.Value = []byte(*j.Payload)
	}
	for i := 0; i+1 < len(j.Headers); i += 2 {
		r.Headers = append(r.Headers, header{j.Headers[i], []byte(j.Headers[i+1])})
	}
	return r, nil
}

// checkTimes asks for offsets by time, and reads from a time on.
func (k *kcat) checkTimes(t *testing.T) {
	franz := startFranz(t, k.c)
	topic := unique("kcat-times")
	must(t, franz, request{Do: "create_topic", Topic: topic, Partitions: 1})
	k.c.created(t, topic)
	base := time.Now().Add(-time.Hour).UnixMilli()
	var sent []record
	for i := range 10 {
		sent = append(sent, record{Timestamp: base + int64(i)*1000, Value: fmt.Appendf(nil, "%d", i)})
	}
	must(t, franz, request{Do: "produce", Topic: topic, Codec: "lz4", Records: sent})
	out := command(t, "", k.cmd("-Q", "-t", fmt.Sprintf("%s:0:%d", topic, base+4500))...)
	if want := topic + " [0] offset 5"; strings.TrimSpace(out) != want {
		t.Errorf("kcat -Q printed %q, want %q", out, want)
	}
	got := command(t, "", k.cmd("-C", "-t", topic, "-e", "-q", "-o", fmt.Sprintf("s@%d", base+7000))...)
	if strings.Fields(got)[0] != "7" || len(strings.Fields(got)) != 3 {
		t.Errorf("read from a time: %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := k.adm.DeleteTopics(ctx, topic); err != nil {
		t.Error(err)
	}
}
