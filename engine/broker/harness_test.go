package broker

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/logarium/logarium/engine/controller"
	"github.com/logarium/logarium/engine/coordinator"
	"github.com/logarium/logarium/engine/event"
	"github.com/logarium/logarium/engine/metadata"
	"github.com/logarium/logarium/engine/netx"
	"github.com/logarium/logarium/engine/replica"
	"github.com/logarium/logarium/engine/vfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is one broker of a test: all that a broker has, on a disk in memory.
type testNode struct {
	t          testing.TB
	broker     *Broker
	controller *controller.Controller
	replicas   *replica.Set
	groups     *coordinator.Groups
	hub        *event.Hub
	network    netx.Network
	address    string
	log        *lockedBuffer
	panics     bool // the test causes some
	closed     sync.Once
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// nodeOptions change what startNode does; the zero value is a broker on
// loopback TCP with the default durability.
type nodeOptions struct {
	fs         vfs.FS
	network    netx.Network
	limits     Limits
	durability replica.Durability
	settings   map[string]string
	others     int // brokers that are registered beside this one and never answer
}

func startNode(t testing.TB, o nodeOptions) *testNode {
	t.Helper()
	if o.fs == nil {
		o.fs = vfs.NewMem()
	}
	if o.network == nil {
		o.network = netx.OS()
	}
	n := &testNode{t: t, hub: event.New(), network: o.network, log: &lockedBuffer{}}
	logger := slog.New(slog.NewTextHandler(n.log, nil))
	l, err := o.network.Listen(context.Background(), "127.0.0.1:0")
	must(t, err)
	n.address = l.Addr().String()
	host, port, err := net.SplitHostPort(n.address)
	must(t, err)
	number, err := strconv.Atoi(port)
	must(t, err)
	brokers := []metadata.Broker{{ID: 1, Incarnation: metadata.NewUUID(), Listeners: []metadata.Listener{{Name: "PLAINTEXT", Host: host, Port: int32(number)}}}}
	for i := range o.others {
		brokers = append(brokers, metadata.Broker{ID: int32(i + 2), Rack: "far", Listeners: []metadata.Listener{{Name: "PLAINTEXT", Host: "other.example", Port: int32(i + 1)}}})
	}
	n.controller, err = controller.Open(context.Background(), controller.Config{
		ID: 1, Voters: []int32{1}, FS: o.fs, Hub: n.hub, Logger: logger, StaticDefaults: o.settings,
		Brokers: brokers, SessionTimeout: -1, MaxReplicationFactor: len(brokers),
	})
	must(t, err)
	n.replicas, err = replica.Open(replica.Config{BrokerID: 1, FS: o.fs, Hub: n.hub, Logger: logger, Durability: o.durability})
	must(t, err)
	n.groups = coordinator.NewGroups(coordinator.Config{BrokerID: 1, Hub: n.hub, Logger: logger})
	n.broker, err = Start(t.Context(), Config{
		Self: brokers[0], Enrolled: true, Listeners: []Listener{{"PLAINTEXT", l}}, Controller: n.controller, Replicas: n.replicas,
		Groups: n.groups, Hub: n.hub, Logger: logger, Limits: o.limits,
	})
	must(t, err)
	t.Cleanup(n.close)
	return n
}

// close stops the node as the façade does.
func (n *testNode) close() {
	n.closed.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := n.broker.Close(ctx); err != nil {
			n.t.Error(err)
		}
		n.groups.Close()
		if err := n.controller.Close(); err != nil {
			n.t.Error(err)
		}
		if err := n.replicas.Close(true); err != nil {
			n.t.Error(err)
		}
		if !n.panics && strings.Contains(n.log.String(), "panic") {
			n.t.Errorf("a panic was logged:\n%s", n.log)
		}
	})
}

// createTopic makes a topic and returns it.
func (n *testNode) createTopic(name string, partitions int32, configs ...string) *metadata.Topic {
	n.t.Helper()
	topic := controller.NewTopic{Name: name, Partitions: partitions, ReplicationFactor: 1}
	for i := 0; i < len(configs); i += 2 {
		topic.Configs = append(topic.Configs, controller.ConfigOp{Op: controller.Set, Name: configs[i], Value: &configs[i+1]})
	}
	res := n.controller.CreateTopics(context.Background(), []controller.NewTopic{topic}, false)
	must(n.t, res[0].Err)
	n.broker.settle(context.Background())
	return n.controller.Image().Topic(name)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// raw is a connection that speaks kmsg by hand.
type raw struct {
	t    testing.TB
	nc   net.Conn
	next int32
	fmt  *kmsg.RequestFormatter
}

func (n *testNode) dial() *raw {
	n.t.Helper()
	nc, err := n.network.Dial(context.Background(), n.address)
	must(n.t, err)
	n.t.Cleanup(func() { _ = nc.Close() })
	return &raw{t: n.t, nc: nc, fmt: kmsg.NewRequestFormatter(kmsg.FormatterClientID("raw"))}
}

// send writes a request and returns its correlation id.
func (r *raw) send(req kmsg.Request) int32 {
	r.t.Helper()
	r.next++
	_, err := r.nc.Write(r.fmt.AppendRequest(nil, req, r.next))
	must(r.t, err)
	return r.next
}

// receive reads the answer to req, which must have the correlation id.
func (r *raw) receive(req kmsg.Request, correlation int32) kmsg.Response {
	r.t.Helper()
	resp, err := r.tryReceive(req, correlation)
	must(r.t, err)
	return resp
}

func (r *raw) tryReceive(req kmsg.Request, correlation int32) (kmsg.Response, error) {
	var size [4]byte
	if _, err := io.ReadFull(r.nc, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r.nc, b); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(b)); got != correlation {
		return nil, fmt.Errorf("answer %d instead of %d", got, correlation)
	}
	b = b[4:]
	resp := req.ResponseKind()
	if resp.IsFlexible() && req.Key() != 18 {
		if b[0] != 0 {
			return nil, fmt.Errorf("%d tags in the response header", b[0])
		}
		b = b[1:]
	}
	return resp, resp.ReadFrom(b)
}

// ask sends a request and returns its answer.
func (r *raw) ask(req kmsg.Request) kmsg.Response {
	r.t.Helper()
	return r.receive(req, r.send(req))
}

// closedByPeer says whether the broker closed the connection without a word.
func (r *raw) closedByPeer() bool {
	must(r.t, r.nc.SetReadDeadline(time.Now().Add(10*time.Second)))
	n, err := r.nc.Read(make([]byte, 1))
	return n == 0 && err != nil && !isTimeout(err)
}

func isTimeout(err error) bool {
	t, ok := err.(net.Error)
	return ok && t.Timeout()
}

func (n *testNode) deleteTopic(name string) {
	n.t.Helper()
	res := n.controller.DeleteTopics(context.Background(), []controller.TopicRef{{Name: name}})
	must(n.t, res[0].Err)
	n.broker.settle(context.Background())
}
