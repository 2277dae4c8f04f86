package group

import (
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var update = flag.Bool("update", false, "write what the scripts in testdata now give")

// TestScripts runs testdata/*.txt: blocks of one command a line, then "----",
// then what must come out. A request is named by its first word, and its answer
// is printed under that name, whenever it comes.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := runScript(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(text) {
				t.Errorf("%s gives:\n%s", file, got)
			}
		})
	}
}

// runScript runs a script and returns it with the output that it gave.
func runScript(t *testing.T, text string) string {
	w := newWorld(t)
	var out strings.Builder
	for _, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		commands, _, _ := strings.Cut(block, "\n----\n")
		if commands = strings.TrimSuffix(commands, "\n----"); out.Len() > 0 {
			out.WriteString("\n")
		}
		out.WriteString(commands + "\n")
		w.lines = nil
		quiet := true
		for _, line := range strings.Split(commands, "\n") {
			if line != "" && line[0] != '#' {
				quiet = false
				w.run(line)
			}
		}
		if quiet {
			continue
		}
		out.WriteString("----\n")
		for _, line := range w.lines {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}

// world is a machine with its log and a clock.
type world struct {
	t     *testing.T
	cfg   Settings
	now   time.Time
	m     *Machine
	log   []Record
	fail  int16 // what appends answer, 0: they work
	ids   int
	lines []string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.UnixMilli(1_000_000)}
	w.cfg = Settings{
		MinSessionTimeout: 6 * time.Second, MaxSessionTimeout: 30 * time.Minute,
		NewMemberJoinTimeout: 5 * time.Minute, OffsetMetadataMax: 4096,
		OffsetsRetention: 7 * 24 * time.Hour, OffsetsRetentionCheck: 10 * time.Minute,
		NewID:  func() string { w.ids++; return strconv.Itoa(w.ids) },
		Logger: slog.New(slog.DiscardHandler),
	}
	w.start()
	return w
}

// start makes the machine anew from the log.
func (w *world) start() {
	w.m = New(w.cfg)
	for _, r := range w.log {
		back, err := Decode(r.Key(), r.Value())
		if err != nil {
			w.t.Fatalf("decoding %+v: %v", r, err)
		}
		w.m.Replay(back)
	}
	w.m.Loaded(w.now)
	w.flush()
}

func (w *world) say(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}

func (w *world) flush() {
	out := w.m.Flush(func(records []Record) int16 {
		if w.fail != 0 {
			w.say("write fails: %v", errorName(w.fail))
			return w.fail
		}
		w.log = append(w.log, records...)
		for _, r := range records {
			w.say("write %s", describeRecord(r))
		}
		return 0
	})
	for _, e := range out.Events {
		text := fmt.Sprintf("event %s %s", e.Kind, e.Group)
		for _, s := range []string{e.Member, e.Topic, e.Text} {
			if s != "" {
				text += " " + s
			}
		}
		w.say("%s", text)
	}
	slices.SortStableFunc(out.Gauges, func(a, b GaugeChange) int {
		return strings.Compare(fmt.Sprint(a.Key), fmt.Sprint(b.Key))
	})
	for _, g := range out.Gauges {
		text := [...]string{"committed", "loaded", "forgotten", "assigned to", "unassigned"}[g.Set]
		if g.Set == Committed || g.Set == Loaded {
			text += " " + strconv.FormatInt(g.Offset, 10)
		}
		w.say("gauge %s %s-%d %s", g.Key.Group, g.Key.Topic, g.Key.Partition, strings.TrimSpace(text+" "+g.Member))
	}
	for _, a := range out.Answers {
		w.say("%v: %s", a.To, describeAnswer(a.Response))
	}
}

// advance moves the clock, stopping at each deadline.
func (w *world) advance(d time.Duration) {
	end := w.now.Add(d)
	for {
		next, ok := w.m.NextDeadline()
		if !ok || next.After(end) {
			break
		}
		if next.After(w.now) {
			w.now = next
		}
		w.m.Tick(w.now)
		w.flush()
	}
	w.now = end
}

// args are the words of a command: "name", "key=value".
type args map[string]string

func (a args) str(key, def string) string {
	if v, ok := a[key]; ok {
		return v
	}
	return def
}

func (a args) num(key string, def int) int {
	v, ok := a[key]
	if !ok {
		return def
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		panic(fmt.Sprintf("%s=%s is no number", key, v))
	}
	return n
}

func (a args) millis(key, def string) int32 {
	d, err := time.ParseDuration(a.str(key, def))
	if err != nil {
		panic(err)
	}
	return int32(d.Milliseconds())
}

func (a args) optional(key string) *string {
	if v, ok := a[key]; ok {
		return &v
	}
	return nil
}

func (a args) list(key, def string) []string {
	v := a.str(key, def)
	if v == "" {
		return nil
	}
	return strings.Split(v, ",")
}

func parse(line string) (command, name string, a args) {
	words := strings.Fields(line)
	a = make(args)
	for i, word := range words {
		key, value, ok := strings.Cut(word, "=")
		switch {
		case i == 0:
			command = word
		case !ok && name == "":
			name = word
		case !ok:
			a[word] = ""
		default:
			a[key] = value
		}
	}
	return command, name, a
}

func (w *world) run(line string) {
	command, name, a := parse(line)
	group := a.str("group", "g")
	switch command {
	case "advance":
		d, err := time.ParseDuration(name)
		if err != nil {
			w.t.Fatal(err)
		}
		w.advance(d)
	case "set":
		w.set(a)
	case "fail":
		w.fail = 0
		if name != "" {
			w.fail = errorNamed(name)
		}
	case "restart":
		w.start()
	case "join":
		w.join(name, group, a)
	case "sync":
		w.sync(name, group, a)
	case "heartbeat":
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation = group, a["member"], int32(a.num("gen", 1))
		req.InstanceID = a.optional("instance")
		w.say("%s: %s", name, errorName(w.m.Heartbeat(w.now, req)))
	case "leave":
		w.leave(name, group, a)
	case "commit":
		w.commit(name, group, a)
	case "fetch":
		w.fetch(name, group, a)
	case "delete-offsets":
		req := kmsg.NewPtrOffsetDeleteRequest()
		req.Group = group
		for _, tp := range topicPartitions(a.list("of", "")) {
			t := kmsg.NewOffsetDeleteRequestTopic()
			t.Topic, t.Partitions = tp.topic, []kmsg.OffsetDeleteRequestTopicPartition{{Partition: tp.partition}}
			req.Topics = append(req.Topics, t)
		}
		w.m.OffsetDelete(name, req)
	case "delete-groups":
		req := kmsg.NewPtrDeleteGroupsRequest()
		req.Groups = a.list("of", "g")
		w.m.DeleteGroups(name, req)
	case "list":
		req := kmsg.NewPtrListGroupsRequest()
		req.StatesFilter, req.TypesFilter = a.list("states", ""), a.list("types", "")
		w.m.ListGroups(name, req)
	case "describe":
		req := kmsg.NewPtrDescribeGroupsRequest()
		req.Version, req.Groups = int16(a.num("v", 6)), a.list("of", "g")
		w.m.DescribeGroups(name, req)
	case "forget-topic":
		w.m.ForgetTopics(func(topic string, id [16]byte) bool {
			return topic == name && (id == [16]byte{} || id[0] == byte(a.num("id", 0)))
		})
	default:
		w.t.Fatalf("no command %q", command)
	}
	w.flush()
}

func (w *world) set(a args) {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		switch key {
		case "delay":
			w.m.cfg.InitialRebalanceDelay = time.Duration(a.millis(key, "")) * time.Millisecond
			w.cfg.InitialRebalanceDelay = w.m.cfg.InitialRebalanceDelay
		case "max":
			w.m.cfg.MaxGroupSize = a.num(key, 0)
			w.cfg.MaxGroupSize = w.m.cfg.MaxGroupSize
		default:
			w.t.Fatalf("no setting %q", key)
		}
	}
}

func (w *world) join(name, group string, a args) {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Version = int16(a.num("v", 9))
	req.Group, req.MemberID, req.InstanceID = group, a["member"], a.optional("instance")
	req.ProtocolType = a.str("type", "consumer")
	req.SessionTimeoutMillis = a.millis("session", "10s")
	req.RebalanceTimeoutMillis = a.millis("rebalance", "60s")
	for _, p := range a.list("protocols", "range") {
		one := kmsg.NewJoinGroupRequestProtocol()
		one.Name, one.Metadata = p, subscription(a.list("topics", "t")...)
		if raw := a.optional("metadata"); raw != nil {
			one.Metadata = []byte(*raw)
		}
		req.Protocols = append(req.Protocols, one)
	}
	w.m.JoinGroup(w.now, name, Client{a.str("client", "c"), "/127.0.0.1"}, req)
}

func (w *world) sync(name, group string, a args) {
	req := kmsg.NewPtrSyncGroupRequest()
	req.Group, req.MemberID, req.InstanceID = group, a["member"], a.optional("instance")
	req.Generation = int32(a.num("gen", 1))
	req.ProtocolType, req.Protocol = a.optional("type"), a.optional("protocol")
	// assign=c-1:t-0+t-1,c-2:t-2
	for _, part := range a.list("assign", "") {
		one := kmsg.NewSyncGroupRequestGroupAssignment()
		id, tps, _ := strings.Cut(part, ":")
		one.MemberID, one.MemberAssignment = id, assignmentOf(topicPartitions(strings.Split(tps, "+")))
		req.GroupAssignment = append(req.GroupAssignment, one)
	}
	w.m.SyncGroup(w.now, name, req)
}

func (w *world) leave(name, group string, a args) {
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Version, req.Group = int16(a.num("v", 5)), group
	if req.Version < leaveIsBatched {
		req.MemberID = a["member"]
	}
	for _, id := range a.list("member", "") {
		req.Members = append(req.Members, kmsg.LeaveGroupRequestMember{MemberID: id, InstanceID: a.optional("instance")})
	}
	if _, ok := a["member"]; !ok {
		for _, id := range a.list("instance", "") {
			req.Members = append(req.Members, kmsg.LeaveGroupRequestMember{InstanceID: &id})
		}
	}
	w.m.LeaveGroup(w.now, name, req)
}

func (w *world) commit(name, group string, a args) {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Version, req.Group, req.MemberID = int16(a.num("v", 10)), group, a["member"]
	req.InstanceID, req.Generation = a.optional("instance"), int32(a.num("gen", -1))
	req.RetentionTimeMillis = -1
	if _, ok := a["retention"]; ok {
		req.RetentionTimeMillis = int64(a.millis("retention", ""))
	}
	// offsets=t-0:5,t-1:7
	for _, part := range a.list("offsets", "") {
		tp, offset, _ := strings.Cut(part, ":")
		one := kmsg.NewOffsetCommitRequestTopicPartition()
		at := topicPartitions([]string{tp})[0]
		n, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		one.Partition, one.Offset, one.LeaderEpoch = at.partition, n, int32(a.num("epoch", -1))
		if size := a.num("metadata", -1); size >= 0 {
			one.Metadata = kmsg.StringPtr(strings.Repeat("m", size))
		}
		topic := kmsg.NewOffsetCommitRequestTopic()
		topic.Topic, topic.TopicID[0] = at.topic, byte(a.num("id", 0))
		topic.Partitions = []kmsg.OffsetCommitRequestTopicPartition{one}
		req.Topics = append(req.Topics, topic)
	}
	w.m.OffsetCommit(w.now, name, req)
}

func (w *world) fetch(name, group string, a args) {
	var groups []kmsg.OffsetFetchRequestGroup
	for _, id := range strings.Split(group, ",") {
		one := kmsg.OffsetFetchRequestGroup{Group: id}
		if _, ok := a["of"]; ok {
			one.Topics = []kmsg.OffsetFetchRequestGroupTopic{}
		}
		for _, tp := range topicPartitions(a.list("of", "")) {
			t := kmsg.OffsetFetchRequestGroupTopic{Topic: tp.topic, Partitions: []int32{tp.partition}}
			t.TopicID[0] = byte(a.num("id", 0))
			one.Topics = append(one.Topics, t)
		}
		groups = append(groups, one)
	}
	w.m.OffsetFetch(name, groups)
}
