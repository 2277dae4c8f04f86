package compat

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// TestBrokersComeAndGo kills, stops and starts single brokers while clients in four languages write and read topics
// with three replicas of which two must be in sync. None may lose, double or reorder a record, but kafkajs: when
// one broker of several fails, its idempotent producer sends again what is still on its way, under other sequence
// numbers, and forgets what moved to a broker that had answered already. It does so on Apache Kafka 4.3.1 as well
// (35 of 58,050 records were gone there), so that only what it reads is held against what is there.
func TestBrokersComeAndGo(t *testing.T) {
	if outside() && os.Getenv("LOGARIUM_COMPAT_BROKER") == "" {
		t.Skip("LOGARIUM_COMPAT_BROKER is not set: there is no way to kill a broker of that cluster")
	}
	c := startCluster(t)
	adm := kadm.NewClient(kgoClient(t, c))
	topic := unique("brokers")
	createReplicated(t, c, adm, topic)
	franz, live := startLoad(t, c, topic), startReader(t, c, topic)
	var loads []*driverLoad
	for name, start := range map[string]func(*testing.T, *cluster) driver{"java": startJava, "kafkajs": startKafkaJS, "confluent-python": startPython} {
		if d := driverOrNil(t, name, c, start); d != nil {
			l := startDriverLoad(t, c, adm, name, d)
			l.inexact = name == "kafkajs"
			l.read(t, c, driverOrNil(t, name+"-reader", c, start))
			loads = append(loads, l)
		}
	}
	progress := func(records int) {
		t.Helper()
		franz.wait(t, 10*records)
		for _, l := range loads {
			l.wait(t, records)
		}
	}
	brokers, err := adm.ListBrokers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i, action := range []string{"kill", "stop", "kill", "kill"} {
		id := brokers.NodeIDs()[i%3]
		progress(120)
		begin := time.Now()
		c.broker(t, action, id)
		progress(120) // the other two go on without it
		went := time.Since(begin)
		c.broker(t, "start", id)
		inSync(t, c, adm, 3)
		t.Logf("%s broker %d: all clients went on after %v, all in sync after %v", action, id, went.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	}
	progress(120)
	for _, l := range loads {
		l.finish(t, c)
	}
	sent := franz.finish(t)
	all := readNumbers(t, c, topic, sum(sent))
	for p := range int32(partitions) {
		if err := inOrder(all[p], sent[p]); err != nil {
			t.Errorf("franz-go, partition %d: %v", p, err)
		}
	}
	live.compare(t, all, sent)
	t.Logf("franz-go wrote %d records", sum(sent))
}

// createReplicated makes a topic with three replicas, or fewer where there are not three brokers, all but one of which
// must be in sync.
func createReplicated(t *testing.T, c *cluster, adm *kadm.Client, topic string) {
	t.Helper()
	brokers, err := adm.ListBrokers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	replicas := min(len(brokers), 3)
	inSync := strconv.Itoa(max(replicas-1, 1))
	if _, err := adm.CreateTopic(t.Context(), partitions, int16(replicas), map[string]*string{"min.insync.replicas": &inSync}, topic); err != nil {
		t.Fatal(err)
	}
	c.created(t, topic)
}

// inSync waits until all partitions of these tests have so many in-sync replicas.
func inSync(t *testing.T, c *cluster, adm *kadm.Client, replicas int) {
	t.Helper()
	within := 60 * time.Second
	if c.external { // Apache Kafka takes its time
		within *= 4
	}
	eventually(t, within, func() error {
		topics, err := adm.ListTopics(t.Context())
		if err != nil {
			return err
		}
		for _, topic := range topics {
			for _, p := range topic.Partitions {
				if strings.HasPrefix(topic.Topic, "compat-") && len(p.ISR) != replicas {
					return fmt.Errorf("%s-%d has the in-sync replicas %v", topic.Topic, p.Partition, p.ISR)
				}
			}
		}
		return nil
	})
}

// driverOrNil starts a driver, if its client is installed.
func driverOrNil(t *testing.T, name string, c *cluster, start func(*testing.T, *cluster) driver) (d driver) {
	t.Helper()
	// What is missing skips a test, so it is asked for in one that may be skipped; the driver lives as long as t.
	t.Run("installed "+name, func(st *testing.T) {
		switch strings.TrimSuffix(name, "-reader") {
		case "java":
			java(st, javaClasses(st))
		case "kafkajs":
			program(st, "node", "Node.js")
			place(st, "LOGARIUM_NODE_PATH", installed("node", "node_modules"), "the folder with kafkajs")
		default:
			place(st, "LOGARIUM_PYTHON", installed("python", "bin", "python"), "a Python with confluent-kafka")
		}
		d = start(t, c)
	})
	return d
}

// driverLoad writes numbered records by a client in another language, one request after the other.
type driverLoad struct {
	name, topic string
	d           driver
	stop        context.CancelFunc
	stopped     chan struct{}
	acked       chan int // records of each request that was acknowledged
	next        [partitions]uint64
	placed      map[placed]uint64
	err         error
	reader      *driverReader
	inexact     bool // the client loses and doubles records by itself
}

// batchRecords is how many records of each partition a request has.
const batchRecords = 5

func startDriverLoad(t *testing.T, c *cluster, adm *kadm.Client, name string, d driver) *driverLoad {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &driverLoad{name: name, topic: unique("load-" + name), d: d, stop: cancel, stopped: make(chan struct{}), acked: make(chan int, 1<<20), placed: map[placed]uint64{}}
	createReplicated(t, c, adm, l.topic)
	go l.run(ctx)
	t.Cleanup(func() { // before the driver ends
		cancel()
		<-l.stopped
	})
	return l
}

func (l *driverLoad) run(ctx context.Context) {
	defer close(l.stopped)
	for ctx.Err() == nil {
		q := request{Do: "produce", Topic: l.topic, Codec: "none"}
		var sent []uint64
		for range batchRecords {
			for p := range int32(partitions) {
				q.Records = append(q.Records, record{Partition: p, Value: strconv.AppendUint(nil, l.next[p], 10)})
				sent = append(sent, l.next[p])
				l.next[p]++
			}
		}
		within, cancel := context.WithTimeout(context.Background(), 90*time.Second)
		r, err := l.d.do(within, q)
		cancel()
		if err == nil && len(r.Placed) != len(sent) {
			err = fmt.Errorf("%d records of %d are placed", len(r.Placed), len(sent))
		}
		if err != nil {
			l.err = err
			return
		}
		for i, at := range r.Placed {
			l.placed[at] = sent[i]
		}
		l.acked <- len(sent)
	}
}

// wait returns when so many more records were acknowledged.
func (l *driverLoad) wait(t *testing.T, records int) {
	t.Helper()
	for len(l.acked) > 0 { // of before
		<-l.acked
	}
	deadline := time.After(90 * time.Second)
	for records > 0 {
		select {
		case n := <-l.acked:
			records -= n
		case <-l.stopped:
			t.Fatalf("%s: %v", l.name, l.err)
		case <-deadline:
			t.Fatalf("%s: no records are acknowledged any more", l.name)
		}
	}
}

// finish ends the load, and holds what was acknowledged and what was read against what is there.
func (l *driverLoad) finish(t *testing.T, c *cluster) {
	t.Helper()
	l.stop()
	<-l.stopped
	if l.err != nil {
		t.Fatalf("%s: %v", l.name, l.err)
	}
	if l.inexact {
		ends, err := kadm.NewClient(kgoClient(t, c)).ListEndOffsets(t.Context(), l.topic)
		if err != nil {
			t.Fatal(err)
		}
		l.next, l.placed = [partitions]uint64{}, nil
		ends.Each(func(o kadm.ListedOffset) { l.next[o.Partition] = uint64(o.Offset) })
	}
	all := readText(t, c, l.topic, sum(l.next))
	for p := range int32(partitions) {
		if err := inOrder(all[p], l.next[p]); err != nil && !l.inexact {
			t.Errorf("%s, partition %d: %v", l.name, p, err)
		}
	}
	for at, n := range l.placed {
		if at.Offset >= int64(len(all[at.Partition])) || all[at.Partition][at.Offset] != n {
			t.Fatalf("%s: record %d was acknowledged at %v, and is not there", l.name, n, at)
		}
	}
	if l.reader != nil {
		l.reader.compare(t, l.name, all, sum(l.next))
	}
	t.Logf("%s wrote %d records", l.name, sum(l.next))
}

// driverReader is the one member of a group that reads a load's topic.
type driverReader struct {
	d       driver
	stopped chan struct{}
	mu      sync.Mutex
	got     map[placed]uint64
	err     error
}

// read lets a second driver read the topic in a group.
func (l *driverLoad) read(t *testing.T, c *cluster, d driver) {
	t.Helper()
	must(t, d, request{Do: "member_start", Name: "one", Group: unique("group-" + l.name), Topic: l.topic})
	r := &driverReader{d: d, stopped: make(chan struct{}), got: map[placed]uint64{}}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		<-r.stopped
	})
	go r.run(ctx)
	l.reader = r
}

func (r *driverReader) run(ctx context.Context) {
	defer close(r.stopped)
	for ctx.Err() == nil {
		taken, err := r.d.do(context.Background(), request{Do: "member_take", Name: "one", WaitMS: 200})
		r.mu.Lock()
		for _, rec := range taken.Records {
			n, parse := strconv.ParseUint(string(rec.Value), 10, 64)
			at := placed{rec.Partition, rec.Offset}
			if before, again := r.got[at]; parse != nil || again && before != n {
				err = fmt.Errorf("%v is %q, before %d", at, rec.Value, before)
			}
			r.got[at] = n
		}
		r.err = err
		r.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// compare waits until the member has been given every record, and holds each against what is there. A record may
// come twice, since offsets are committed after it was handed out.
func (r *driverReader) compare(t *testing.T, name string, all numbers, count int) {
	t.Helper()
	eventually(t, 60*time.Second, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.err != nil {
			t.Fatalf("%s: %v", name, r.err)
		}
		if len(r.got) < count {
			return fmt.Errorf("%s has read %d records of %d", name, len(r.got), count)
		}
		return nil
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for at, n := range r.got {
		if at.Offset >= int64(len(all[at.Partition])) || all[at.Partition][at.Offset] != n {
			t.Fatalf("%s read %v as record %d, and it is not that any more", name, at, n)
		}
	}
}
