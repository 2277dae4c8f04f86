package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/logarium/logarium/templates/layout"
	"github.com/logarium/logarium/templates/page"
)

// exampleTopic is the topic of the examples until another one is chosen.
const exampleTopic = "quickstart"

// connect is the page with client lines to copy.
func (s *Server) connect(c echo.Context) error {
	m := page.ConnectModel{Topic: strings.TrimSpace(c.QueryParam("topic"))}
	if m.Topic == "" || nameProblem(m.Topic) != "" { // it ends up in shell lines: only harmless names do
		m.Topic = exampleTopic
	}
	addrs := s.bootstrap(c.Request().Context())
	m.Bootstrap = strings.Join(addrs, ",")
	m.Snippets = snippets(addrs, m.Topic)
	return s.page(c, layout.Model{Title: "Connect", Section: "connect"}, page.Connect(m))
}

// bootstrap returns the addresses that clients begin with: as configured, else
// as the brokers advertise them, else those by which the console came.
func (s *Server) bootstrap(ctx context.Context) []string {
	if len(s.Bootstrap) > 0 {
		return s.Bootstrap
	}
	meta, err := s.Cluster.Metadata(ctx)
	if err != nil || len(meta.Brokers) == 0 {
		return s.Cluster.Seeds()
	}
	var addrs []string
	for _, b := range meta.Brokers {
		addrs = append(addrs, b.Addr())
	}
	return addrs
}

// snippets are lines for clients. The topic's name is harmless in every language
// (nameProblem), and so are host names and ports.
func snippets(addrs []string, topic string) []page.Snippet {
	return append(toolSnippets(addrs, topic), librarySnippets(addrs, topic)...)
}

func toolSnippets(addrs []string, topic string) []page.Snippet {
	all := strings.Join(addrs, ",")
	return []page.Snippet{
		{ID: "kcat", Title: "kcat", Code: fmt.Sprintf(`# what is there
kcat -b %[1]s -L
# write lines from the keyboard, end with Ctrl-D
kcat -b %[1]s -t %[2]s -P
# read from the beginning
kcat -b %[1]s -t %[2]s -C -o beginning`, all, topic)},
		{ID: "cli", Title: "Apache Kafka command line", Code: fmt.Sprintf(`bin/kafka-topics.sh --bootstrap-server %[1]s --create --topic %[2]s --partitions 3
bin/kafka-console-producer.sh --bootstrap-server %[1]s --topic %[2]s
bin/kafka-console-consumer.sh --bootstrap-server %[1]s --topic %[2]s --from-beginning --group my-group
bin/kafka-consumer-groups.sh --bootstrap-server %[1]s --describe --group my-group`, all, topic)},
	}
}

func librarySnippets(addrs []string, topic string) []page.Snippet {
	all := strings.Join(addrs, ",")
	quoted := `"` + strings.Join(addrs, `", "`) + `"`
	single := `'` + strings.Join(addrs, `', '`) + `'`
	return []page.Snippet{
		{ID: "kafkajs", Title: "kafkajs (Node.js)", Code: fmt.Sprintf(`import { Kafka } from 'kafkajs'

const kafka = new Kafka({ clientId: 'my-app', brokers: [%[1]s] })

const producer = kafka.producer()
await producer.connect()
await producer.send({ topic: '%[2]s', messages: [{ key: 'a', value: 'hello' }] })

const consumer = kafka.consumer({ groupId: 'my-group' })
await consumer.connect()
await consumer.subscribe({ topics: ['%[2]s'], fromBeginning: true })
await consumer.run({
  eachMessage: async ({ partition, message }) =>
    console.log(partition, message.offset, message.value.toString()),
})`, single, topic)},
		{ID: "python", Title: "confluent-kafka (Python)", Code: fmt.Sprintf(`from confluent_kafka import Consumer, Producer

producer = Producer({"bootstrap.servers": "%[1]s", "client.id": "my-app"})
producer.produce("%[2]s", key="a", value="hello")
producer.flush()

consumer = Consumer({
    "bootstrap.servers": "%[1]s",
    "group.id": "my-group",
    "auto.offset.reset": "earliest",
})
consumer.subscribe(["%[2]s"])
while True:
    message = consumer.poll(1.0)
    if message is None:
        continue
    if message.error():
        raise SystemExit(message.error())
    print(message.partition(), message.offset(), message.value())`, all, topic)},
		{ID: "java", Title: "Java", Code: fmt.Sprintf(`var props = new java.util.Properties();
props.put("bootstrap.servers", "%[1]s");
props.put("client.id", "my-app");
props.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
props.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");

try (var producer = new org.apache.kafka.clients.producer.KafkaProducer<String, String>(props)) {
    var sent = producer.send(new org.apache.kafka.clients.producer.ProducerRecord<>("%[2]s", "a", "hello")).get();
    System.out.println(sent.partition() + "@" + sent.offset());
}`, all, topic)},
		{ID: "go", Title: "franz-go (Go)", Code: fmt.Sprintf(`client, err := kgo.NewClient(
	kgo.SeedBrokers(%[1]s),
	kgo.ClientID("my-app"),
	kgo.ConsumerGroup("my-group"),
	kgo.ConsumeTopics("%[2]s"),
	kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
)
if err != nil {
	log.Fatal(err)
}
defer client.Close()

record := &kgo.Record{Topic: "%[2]s", Key: []byte("a"), Value: []byte("hello")}
if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
	log.Fatal(err)
}
for {
	client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
		fmt.Println(r.Partition, r.Offset, string(r.Value))
	})
}`, quoted, topic)},
	}
}
