import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/**
 * Apache Kafka's Java client under the control of the tests: one JSON command a line on stdin, one JSON answer a line
 * on stdout (engine/compat/doc.go has the commands). This class produces and consumes, AdminCommands asks and
 * changes the cluster, Members are the consumers of groups.
 */
public final class Driver {
    static final ObjectMapper JSON = new ObjectMapper();

    private final String bootstrap = System.getenv("LOGARIUM_DRIVER_BOOTSTRAP");
    private final String clientId = System.getenv("LOGARIUM_DRIVER_CLIENT_ID");
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private final Members members = new Members(this);
    private final AdminCommands admin = new AdminCommands(config());

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Driver driver = new Driver();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = JSON.readTree(line);
            ObjectNode answer = JSON.createObjectNode();
            try {
                driver.run(request, answer);
            } catch (Exception e) {
                Throwable cause = e instanceof ExecutionException && e.getCause() != null ? e.getCause() : e;
                answer.put("error", cause.getClass().getSimpleName() + ": " + cause.getMessage());
            }
            out.println(JSON.writeValueAsString(answer));
        }
        driver.close();
    }

    Properties config() {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("client.id", clientId);
        return p;
    }

    private void run(JsonNode request, ObjectNode answer) throws Exception {
        String what = request.get("do").asText();
        switch (what) {
            case "version" -> answer.put("version", "kafka-clients " + AppInfoParser.getVersion());
            case "produce" -> produce(request, answer);
            case "consume" -> consume(request, answer);
            case "member_start" -> members.start(request);
            case "member_take" -> members.take(request, answer);
            case "member_stop" -> members.stop(request.get("name").asText());
            default -> admin.run(what, request, answer);
        }
    }

    private void close() {
        members.close();
        producers.values().forEach(p -> p.close(Duration.ofSeconds(5)));
        admin.close();
    }

    /** Producers stay open, one for each codec, so that they live through what happens to the brokers. */
    private KafkaProducer<byte[], byte[]> producer(String codec) {
        return producers.computeIfAbsent(codec, name -> {
            Properties p = config();
            p.put("compression.type", name);
            p.put("linger.ms", "5");
            p.put("max.request.size", "2000000");
            return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
        });
    }

    private void produce(JsonNode request, ObjectNode answer) throws Exception {
        KafkaProducer<byte[], byte[]> producer = producer(request.path("codec").asText("none"));
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (JsonNode r : request.get("records")) {
            List<Header> headers = new ArrayList<>();
            for (JsonNode h : r.path("h")) {
                headers.add(new RecordHeader(h.get(0).asText(), bytes(h.get(1))));
            }
            int partition = r.path("p").asInt(-1);
            long timestamp = r.path("ts").asLong(-1);
            sent.add(producer.send(new ProducerRecord<>(request.get("topic").asText(), partition < 0 ? null : (Integer) partition,
                    timestamp < 0 ? null : (Long) timestamp, bytes(r.get("k")), bytes(r.get("v")), headers)));
        }
        producer.flush();
        ArrayNode placed = answer.putArray("placed");
        for (Future<RecordMetadata> f : sent) {
            RecordMetadata m = f.get();
            placed.addObject().put("p", m.partition()).put("o", m.offset());
        }
    }

    private void consume(JsonNode request, ObjectNode answer) {
        Properties p = config();
        p.put("enable.auto.commit", "false");
        p.put("auto.offset.reset", "none");
        int count = request.get("count").asInt();
        ArrayNode records = answer.putArray("records");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            Map<TopicPartition, Long> from = new HashMap<>();
            request.get("offsets").properties().forEach(e ->
                    from.put(new TopicPartition(request.get("topic").asText(), Integer.parseInt(e.getKey())), e.getValue().asLong()));
            consumer.assign(from.keySet());
            from.forEach(consumer::seek);
            long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
            while (records.size() < count && System.nanoTime() < deadline) {
                for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(200))) {
                    records.add(record(r));
                }
            }
        }
    }

    static ObjectNode record(ConsumerRecord<byte[], byte[]> r) {
        ObjectNode o = JSON.createObjectNode();
        o.put("p", r.partition()).put("o", r.offset()).put("ts", r.timestamp());
        o.put("k", base64(r.key())).put("v", base64(r.value()));
        ArrayNode headers = o.putArray("h");
        for (Header h : r.headers()) {
            headers.addArray().add(h.key()).add(base64(h.value()));
        }
        return o;
    }

    private static String base64(byte[] b) {
        return b == null ? null : Base64.getEncoder().encodeToString(b);
    }

    private static byte[] bytes(JsonNode n) {
        return n == null || n.isNull() ? null : Base64.getDecoder().decode(n.asText());
    }
}
