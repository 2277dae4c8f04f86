package kafka

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is a broker as the cluster's metadata has it.
type Broker struct {
	ID     int32
	Host   string
	Port   int32
	Rack   string
	Fenced bool // registered, but clients are not sent to it
}

// Broker returns a broker that clients are sent to, or one that the console has
// met before; ok is false if it was never heard of.
func (m Metadata) Broker(id int32) (b Broker, here, ok bool) {
	if i := slices.IndexFunc(m.Brokers, func(b Broker) bool { return b.ID == id }); i >= 0 {
		return m.Brokers[i], true, true
	}
	if i := slices.IndexFunc(m.away, func(b Broker) bool { return b.ID == id }); i >= 0 {
		return m.away[i], false, true
	}
	return Broker{}, false, false
}

// BrokerPlace returns the place of a broker among all that the console knows of
// in the order of their ids, −1 if it was never heard of. It decides the
// broker's letter and colour, which stay when others come and go.
func (m Metadata) BrokerPlace(id int32) int { return slices.Index(m.places, id) }

// Known returns the ids of all brokers that the console knows of, in order.
func (m Metadata) Known() []int32 { return m.places }

// met remembers the brokers of a cluster: its metadata leaves out those that
// are down.
type met struct {
	mu      sync.Mutex
	brokers map[int32]Broker
}

// Expect makes brokers known that may be down from the beginning.
func (c *Cluster) Expect(ids ...int32) {
	c.met.mu.Lock()
	defer c.met.mu.Unlock()
	for _, id := range ids {
		if _, ok := c.met.brokers[id]; !ok {
			c.met.remember(Broker{ID: id})
		}
	}
}

func (k *met) remember(b Broker) {
	if k.brokers == nil {
		k.brokers = make(map[int32]Broker)
	}
	k.brokers[b.ID] = b
}

// complete adds to m the brokers that are not in it.
func (k *met) complete(m *Metadata) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, b := range m.Brokers {
		k.remember(b)
	}
	for _, t := range m.Topics {
		for _, p := range t.Partitions {
			for _, id := range p.Replicas {
				if _, ok := k.brokers[id]; !ok {
					k.remember(Broker{ID: id})
				}
			}
		}
	}
	m.places = make([]int32, 0, len(k.brokers))
	for id, b := range k.brokers {
		m.places = append(m.places, id)
		if !slices.ContainsFunc(m.Brokers, func(b Broker) bool { return b.ID == id }) {
			m.away = append(m.away, b)
		}
	}
	slices.Sort(m.places)
	slices.SortFunc(m.away, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
}

// Fenced returns the brokers that are registered with the cluster and fenced:
// they are known to it, and no client is sent to them (KIP-1073). Clusters older
// than Apache Kafka 4.0 cannot tell; then there are none.
func (c *Cluster) Fenced(ctx context.Context) (map[int32]Broker, error) {
	caps, err := c.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	if caps.Why(FeatureFenced) != "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, onePatience) // without a quorum nobody may answer
	defer cancel()
	resp, err := c.anyOf(ctx, func() kmsg.Request {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.IncludeFencedBrokers = true
		req.EndpointType = 1
		return req
	})
	if err != nil {
		return nil, err
	}
	cluster := resp.(*kmsg.DescribeClusterResponse)
	if err := refused(cluster.ErrorCode, cluster.ErrorMessage); err != nil {
		return nil, err
	}
	fenced := make(map[int32]Broker)
	for _, b := range cluster.Brokers {
		if b.IsFenced {
			fenced[b.NodeID] = Broker{ID: b.NodeID, Host: b.Host, Port: b.Port, Rack: text(b.Rack), Fenced: true}
		}
	}
	return fenced, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
