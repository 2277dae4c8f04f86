package playground

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func startFake(t *testing.T) []string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()
}

func newClient(t *testing.T, seeds []string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(seeds...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func newDemo(t *testing.T, seeds []string, state string) *HeartRate {
	t.Helper()
	demo, err := NewHeartRate(Config{Seeds: seeds, StateFile: state, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(demo.Close)
	return demo
}

func TestRecording_IsTheWholeHour(t *testing.T) {
	beats, err := recording()
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	above := 0
	for _, b := range beats {
		sum += b
		if bpm(b) > alertBPM {
			above++
		}
	}
	if len(beats) != 4684 || sum.Round(time.Second) != 3599*time.Second || above != 41 {
		t.Fatalf("%d beats, %v, %d above %d bpm", len(beats), sum, above, alertBPM)
	}
}

func TestHeartRate_RunsAndRemovesWhatItMade(t *testing.T) {
	ctx, seeds := testContext(t), startFake(t)
	state := filepath.Join(t.TempDir(), "console", "demo.json")
	demo := newDemo(t, seeds, state)
	if err := demo.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if !demo.Running() {
		t.Fatal("started, and does not run")
	}
	reader := newClient(t, seeds, kgo.ConsumeTopics(beatsTopic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	seen := map[string]int32{}
	for len(seen) < len(wearers) {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			var b beat
			if err := json.Unmarshal(r.Value, &b); err != nil || b.Wearer != string(r.Key) || b.BPM < 40 || b.BPM > 120 {
				t.Errorf("record %s=%s: %v", r.Key, r.Value, err)
			}
			if p, ok := seen[b.Wearer]; ok && p != r.Partition {
				t.Errorf("%s is on partitions %d and %d", b.Wearer, p, r.Partition)
			}
			seen[b.Wearer] = r.Partition
		})
	}

	used := map[int32]int{}
	for _, partition := range seen {
		used[partition]++
	}
	for p := range int32(beatsPartitions) {
		if used[p] != len(wearers)/beatsPartitions {
			t.Errorf("partition %d has %d wearers", p, used[p])
		}
	}

	// A new process goes on with it and can remove it.
	demo.Close()
	again := newDemo(t, seeds, state)
	if !again.Unfinished() || again.Running() {
		t.Fatalf("after a restart: unfinished %v, running %v", again.Unfinished(), again.Running())
	}
	if err := again.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := again.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(newClient(t, seeds))
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for name, topic := range topics {
		if !topic.IsInternal {
			t.Errorf("%s is still there", name)
		}
	}
	groups, err := admin.ListGroups(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(groups) != 0 {
		t.Errorf("groups left: %v", groups.Groups())
	}
	if again.Running() || newDemo(t, seeds, state).Unfinished() {
		t.Error("stopped, and not forgotten")
	}
}

func TestHeartRate_LeavesATopicAloneThatItDidNotMake(t *testing.T) {
	ctx, seeds := testContext(t), startFake(t)
	admin := kadm.NewClient(newClient(t, seeds))
	if _, err := admin.CreateTopic(ctx, 1, 1, nil, beatsTopic); err != nil {
		t.Fatal(err)
	}
	demo := newDemo(t, seeds, "")
	if err := demo.Start(ctx); err == nil || demo.Running() {
		t.Fatalf("started over somebody's topic: %v", err)
	}
	if err := demo.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	topics, err := admin.ListTopics(ctx, beatsTopic)
	if err != nil || topics[beatsTopic].Err != nil {
		t.Fatalf("the topic is gone: %v %v", err, topics[beatsTopic].Err)
	}
}

func TestMade_DamagedFileIsSaidInWords(t *testing.T) {
	name := filepath.Join(t.TempDir(), "demo.json")
	if err := writeMade(name, made{Topics: map[string]string{"a": "1"}}); err != nil {
		t.Fatal(err)
	}
	if m, err := readMade(name); err != nil || m.Topics["a"] != "1" {
		t.Fatalf("%v %v", m, err)
	}
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readMade(name); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("a damaged file gives %v", err)
	}
	if err := writeMade(name, made{}); err != nil {
		t.Fatal(err)
	}
	if m, err := readMade(name); err != nil || len(m.Topics) != 0 {
		t.Fatalf("%v %v", m, err)
	}
}

// Close during a Start, as by Ctrl-C in the first second, leaves no client
// behind, and no topic that the demo does not remember.
func TestHeartRate_CloseBreaksOffAStart(t *testing.T) {
	ctx := testContext(t)
	for delay := range 20 {
		state := filepath.Join(t.TempDir(), "demo.json")
		seeds := startFake(t)
		demo := newDemo(t, seeds, state)
		started := make(chan error, 1)
		go func() { started <- demo.Start(ctx) }()
		time.Sleep(time.Duration(delay) * time.Millisecond) // wherever Start is by then
		demo.Close()
		if err := <-started; err == nil && demo.Running() {
			t.Fatalf("after %d ms: the demo runs, though it is closed", delay)
		}
		if err := demo.Start(ctx); !errors.Is(err, ErrClosed) {
			t.Fatalf("a closed demo starts: %v", err)
		}
		again := newDemo(t, seeds, state)
		if err := again.Start(ctx); err != nil {
			t.Fatalf("after %d ms: the next start: %v", delay, err)
		}
		again.Close()
	}
}
