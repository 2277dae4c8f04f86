package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testBrokers returns brokers 1 to n with a listener each.
func testBrokers(n int32) []metadata.Broker {
	var out []metadata.Broker
	for id := int32(1); id <= n; id++ {
		out = append(out, metadata.Broker{ID: id, Incarnation: metadata.UUID{14: 1, 15: byte(id)}, Listeners: []metadata.Listener{{Name: "PLAINTEXT", Host: "127.0.0.1", Port: 9091 + id}}})
	}
	return out
}

// testConfig is of another run of the process at each call.
func testConfig(fs vfs.FS, brokers int32) Config {
	all := testBrokers(brokers)
	for i := range all {
		all[i].Incarnation = metadata.NewUUID()
	}
	return Config{
		ID: 1, Voters: []int32{1}, FS: fs, Brokers: all, SessionTimeout: -1,
		Hub: event.New(), Logger: slog.New(slog.DiscardHandler),
	}
}

func open(t testing.TB, cfg Config) *Controller {
	t.Helper()
	c, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func create(t testing.TB, c *Controller, name string, partitions int32) metadata.UUID {
	t.Helper()
	r := c.CreateTopics(context.Background(), []NewTopic{{Name: name, Partitions: partitions, ReplicationFactor: -1}}, false)
	if r[0].Err != nil {
		t.Fatalf("create %s: %v", name, r[0].Err)
	}
	return r[0].ID
}

func wantCode(t *testing.T, err error, want *kerr.Error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

func TestOpen_ASingleVoterIsReadyAndHasItsBrokers(t *testing.T) {
	c := open(t, testConfig(vfs.NewMem(), 3))
	img := c.Image()
	if img.ClusterID() == "" || img.Controller() != 1 || len(img.Brokers()) != 3 {
		t.Fatalf("cluster %q, controller %d, brokers %v", img.ClusterID(), img.Controller(), img.Brokers())
	}
}

func TestRestart_KeepsWhatWasAnswered(t *testing.T) {
	fs := vfs.NewCrashable()
	c := open(t, testConfig(fs, 3))
	id := create(t, c, "kept", 4)
	create(t, c, "gone", 1)
	if r := c.DeleteTopics(context.Background(), []TopicRef{{Name: "gone"}}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	cluster := c.Image().ClusterID()
	first, n, err := c.AllocateProducerIDs(context.Background(), 2)
	if err != nil {
		t.Fatal(err)
	}

	after := fs.Crash(rand.New(rand.NewPCG(1, 2)), vfs.LoseAll())
	_ = c.Close()
	c = open(t, testConfig(after, 3))
	img := c.Image()
	if img.ClusterID() != cluster {
		t.Errorf("the cluster was %s and is %s", cluster, img.ClusterID())
	}
	if topic := img.Topic("kept"); topic == nil || topic.ID != id || len(topic.Partitions) != 4 {
		t.Errorf("topic is %+v", topic)
	}
	if img.Topic("gone") != nil {
		t.Error("a deleted topic is back")
	}
	again, _, err := c.AllocateProducerIDs(context.Background(), 2)
	if err != nil || again < first+int64(n) {
		t.Errorf("producer ids from %d after %d to %d: %v", again, first, first+int64(n)-1, err)
	}
}

func TestWatch_TellsEveryChangeOnceBeforeTheAnswer(t *testing.T) {
	c := open(t, testConfig(vfs.NewMem(), 1))
	create(t, c, "before", 1)
	var seen []string
	var last *metadata.Image
	c.Watch(func(img *metadata.Image, d *metadata.Delta) {
		last = img
		for _, topic := range d.TopicsCreated {
			seen = append(seen, topic.Name)
		}
	})
	for i := range 5 {
		create(t, c, fmt.Sprint("t", i), 1)
		if last.Topic(fmt.Sprint("t", i)) == nil {
			t.Fatal("the answer came before the watcher was told")
		}
	}
	if got := fmt.Sprint(seen); got != "[before t0 t1 t2 t3 t4]" {
		t.Fatalf("told %s", got)
	}
}

// TestSingleVoter_HasNoClock lets eleven years pass: a voter that ticked would
// not come to the end of them.
func TestSingleVoter_HasNoClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, testConfig(vfs.NewMem(), 3))
		time.Sleep(100_000 * time.Hour)
		create(t, c, "still-there", 1)
	})
}
