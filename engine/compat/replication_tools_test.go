package compat

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// replicationTools are Apache Kafka's tools for replicas, leaders and the quorum.
var replicationTools = map[string]string{
	"kafka-topics":              "org.apache.kafka.tools.TopicCommand",
	"kafka-leader-election":     "org.apache.kafka.tools.LeaderElectionCommand",
	"kafka-reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
	"kafka-metadata-quorum":     "org.apache.kafka.tools.MetadataQuorumCommand",
	"kafka-log-dirs":            "org.apache.kafka.tools.LogDirsCommand",
	"kafka-features":            "org.apache.kafka.tools.FeatureCommand",
	"kafka-cluster":             "org.apache.kafka.tools.ClusterTool",
}

// replicated is a topic of one partition with three replicas, and the tools to look at it.
type replicated struct {
	c     *cluster
	java  []string
	adm   *kadm.Client
	ids   []int32 // of three brokers
	topic string
}

// newReplicated makes the topic, with its replicas on the second, first and third broker.
func newReplicated(t *testing.T, c *cluster) *replicated {
	t.Helper()
	r := &replicated{c: c, java: java(t, ""), adm: kadm.NewClient(kgoClient(t, c)), topic: unique("replicas")}
	brokers, err := r.adm.ListBrokers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(brokers) < 3 {
		t.Skipf("%d brokers: three are needed", len(brokers))
	}
	r.ids = brokers.NodeIDs()[:3]
	says(t, r.run(t, "kafka-topics", "--create", "--topic", r.topic, "--replica-assignment", fmt.Sprintf("%d:%d:%d", r.ids[1], r.ids[0], r.ids[2])),
		"Created topic "+r.topic)
	c.created(t, r.topic)
	return r
}

// try runs a tool and gives its error back, which has what it printed.
func (r *replicated) try(t *testing.T, tool string, args ...string) (string, error) {
	t.Helper()
	cmd := append(slices.Clone(r.java), replicationTools[tool])
	if tool == "kafka-cluster" { // its options come after what it is to do
		cmd = append(cmd, args[0], "--bootstrap-server", r.c.bootstrap)
		args = args[1:]
	} else {
		cmd = append(cmd, "--bootstrap-server", r.c.bootstrap)
	}
	return output(t, "", append(cmd, args...)...)
}

func (r *replicated) run(t *testing.T, tool string, args ...string) string {
	t.Helper()
	out, err := r.try(t, tool, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// fails runs a tool that has to fail, and say why.
func (r *replicated) fails(t *testing.T, want, tool string, args ...string) {
	t.Helper()
	out, err := r.try(t, tool, args...)
	if err == nil {
		t.Errorf("%s %v succeeded:\n%s", tool, args, out)
		return
	}
	says(t, err.Error(), want)
}

// becomes waits until kafka-topics --describe says something of the topic.
func (r *replicated) becomes(t *testing.T, want string, args ...string) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		out, err := r.try(t, "kafka-topics", append([]string{"--describe"}, args...)...)
		if err == nil && !regexp.MustCompile(want).MatchString(out) {
			err = fmt.Errorf("no %q in:\n%s", want, out)
		}
		return err
	})
}

// TestReplicationTools uses the tools for replicas, leaders, the quorum, features and brokers on a healthy cluster.
func TestReplicationTools(t *testing.T) {
	t.Parallel()
	r := newReplicated(t, startCluster(t))
	a, b, c := r.ids[0], r.ids[1], r.ids[2]
	r.becomes(t, fmt.Sprintf(`Partition: 0\s+Leader: %d\s+Replicas: %d,%d,%d\s+Isr: [\d,]{5}\s+Elr: \s*LastKnownElr:`, b, b, a, c), "--topic", r.topic)
	for _, state := range []string{"--under-replicated-partitions", "--unavailable-partitions", "--under-min-isr-partitions"} {
		if out := r.run(t, "kafka-topics", "--describe", state, "--topic", r.topic); strings.Contains(out, "Partition: 0") {
			t.Errorf("%s:\n%s", state, out)
		}
	}
	t.Run("elections", r.elections)
	t.Run("moves", r.moves)
	t.Run("quorum", r.quorum)
	t.Run("brokers", r.brokers)
	r.run(t, "kafka-topics", "--delete", "--topic", r.topic)
}

func (r *replicated) elections(t *testing.T) {
	one := []string{"--topic", r.topic, "--partition", "0"}
	for _, kind := range []string{"preferred", "unclean"} {
		says(t, r.run(t, "kafka-leader-election", append([]string{"--election-type", kind}, one...)...), "Valid replica already elected for partitions "+r.topic+"-0")
		r.fails(t, "UnknownTopicOrPartitionException: No such topic as nowhere", "kafka-leader-election", "--election-type", kind, "--topic", "nowhere", "--partition", "0")
	}
	r.run(t, "kafka-leader-election", "--election-type", "preferred", "--all-topic-partitions")

	// Another order of the replicas makes another leader the preferred one. It may be elected before it is asked for.
	plan := r.plan(t, r.ids[0], r.ids[1], r.ids[2])
	r.run(t, "kafka-reassign-partitions", "--reassignment-json-file", plan, "--execute")
	r.completed(t, plan)
	says(t, r.run(t, "kafka-leader-election", append([]string{"--election-type", "preferred"}, one...)...),
		`(Successfully completed leader election \(PREFERRED\) for|Valid replica already elected for) partitions `+r.topic+"-0")
	r.becomes(t, fmt.Sprintf(`Leader: %d\s+Replicas: %d,%d,%d`, r.ids[0], r.ids[0], r.ids[1], r.ids[2]), "--topic", r.topic)
}

// plan writes a reassignment of the one partition.
func (r *replicated) plan(t *testing.T, replicas ...int32) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"version": 1, "partitions": []any{map[string]any{"topic": r.topic, "partition": 0, "replicas": replicas}}})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// completed waits for the end of a move.
func (r *replicated) completed(t *testing.T, plan string) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		out, err := r.try(t, "kafka-reassign-partitions", "--reassignment-json-file", plan, "--verify")
		if err == nil && !strings.Contains(out, "Reassignment of partition "+r.topic+"-0 is completed.") {
			err = fmt.Errorf("kafka-reassign-partitions --verify:\n%s", out)
		}
		return err
	})
}

func (r *replicated) moves(t *testing.T) {
	topics := filepath.Join(t.TempDir(), "topics.json")
	if err := os.WriteFile(topics, fmt.Appendf(nil, `{"version":1,"topics":[{"topic":%q}]}`, r.topic), 0o600); err != nil {
		t.Fatal(err)
	}
	out := r.run(t, "kafka-reassign-partitions", "--topics-to-move-json-file", topics, "--broker-list", fmt.Sprintf("%d,%d,%d", r.ids[0], r.ids[1], r.ids[2]), "--generate")
	says(t, out, "Current partition replica assignment", "Proposed partition reassignment configuration", `"topic":"`+r.topic+`","partition":0,"replicas":\[\d+,\d+,\d+\]`)

	for _, replicas := range [][]int32{{r.ids[2]}, {r.ids[0], r.ids[1], r.ids[2]}} {
		plan := r.plan(t, replicas...)
		says(t, r.run(t, "kafka-reassign-partitions", "--reassignment-json-file", plan, "--execute", "--throttle", "10000000"),
			`The inter-broker throttle limit was set to 10000000 B/s`, "Successfully started partition reassignment for "+r.topic+"-0")
		r.completed(t, plan)
		words := strings.Trim(strings.ReplaceAll(fmt.Sprint(replicas), " ", ","), "[]")
		r.becomes(t, fmt.Sprintf(`Replicas: %s\s+Isr: [\d,]{%d}\s`, words, len(words)), "--topic", r.topic)
		if out := r.run(t, "kafka-topics", "--describe", "--topic", r.topic); strings.Contains(out, "throttled") {
			t.Errorf("--verify left the throttle:\n%s", out)
		}
	}
	says(t, r.run(t, "kafka-reassign-partitions", "--reassignment-json-file", r.plan(t, r.ids...), "--cancel"), "None of the specified partition reassignments are active")
	says(t, r.run(t, "kafka-reassign-partitions", "--list"), "No partition reassignments found")
	r.fails(t, "no such broker is registered|Unknown broker id", "kafka-reassign-partitions", "--reassignment-json-file", r.plan(t, r.ids[0], 4711), "--execute")
}

func (r *replicated) quorum(t *testing.T) {
	says(t, r.run(t, "kafka-metadata-quorum", "describe", "--status"), `LeaderId:\s+\d`, `LeaderEpoch:\s+\d`, `HighWatermark:\s+\d`, `CurrentVoters:\s+\[\{"id": \d`)
	out := r.run(t, "kafka-metadata-quorum", "describe", "--replication", "--human-readable")
	says(t, out, `(?m)^\d+\s+\S{22}\s+\d+\s+0\s+\d+ ms ago\s+\d+ ms ago\s+Leader`)
	if followers := strings.Count(out, "Follower"); followers != 2 && !r.c.external {
		t.Errorf("%d followers in:\n%s", followers, out)
	}
	says(t, r.run(t, "kafka-features", "describe"), `Feature: metadata\.version\s.*FinalizedVersionLevel: 4\.3-IV0`, `Feature: eligible\.leader\.replicas\.version\s.*FinalizedVersionLevel: 1`,
		`Feature: kraft\.version`)
	says(t, r.run(t, "kafka-features", "upgrade", "--feature", "eligible.leader.replicas.version=1"), `was upgraded to 1`)
	out, err := r.try(t, "kafka-features", "upgrade", "--feature", "eligible.leader.replicas.version=7")
	if err == nil {
		t.Errorf("a version that is not there:\n%s", out)
	} else {
		says(t, err.Error(), `Invalid update version 7 for feature eligible\.leader\.replicas\.version`)
	}
}

func (r *replicated) brokers(t *testing.T) {
	says(t, r.run(t, "kafka-cluster", "cluster-id"), `Cluster ID: \S{22}`)
	out := r.run(t, "kafka-cluster", "list-endpoints", "--include-fenced-brokers")
	for _, id := range r.ids {
		says(t, out, fmt.Sprintf(`(?m)^%d\s+\S+\s+\d+\s+\S+\s+unfenced\s+broker`, id))
	}
	r.fails(t, "Broker ID 4711 is not currently registered", "kafka-cluster", "unregister", "--id", "4711")

	var dirs struct {
		Brokers []struct {
			Broker  int32
			LogDirs []struct {
				LogDir     string
				Partitions []struct {
					Partition string
					Size      int64
					OffsetLag int64
				}
			}
		}
	}
	out = r.run(t, "kafka-log-dirs", "--describe", "--topic-list", r.topic)
	if err := json.Unmarshal([]byte(out[max(strings.IndexByte(out, '{'), 0):]), &dirs); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, b := range dirs.Brokers {
		if len(b.LogDirs) != 1 || b.LogDirs[0].LogDir == "" || len(b.LogDirs[0].Partitions) != 1 || b.LogDirs[0].Partitions[0].Partition != r.topic+"-0" || b.LogDirs[0].Partitions[0].OffsetLag != 0 {
			t.Errorf("broker %d: %+v", b.Broker, b.LogDirs)
		}
	}
}
