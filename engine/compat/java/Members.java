import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Consumers that are members of groups, each on a thread of its own; they commit what they took after each poll. */
final class Members {
    private final Driver driver;
    private final Map<String, Member> members = new HashMap<>();

    Members(Driver driver) {
        this.driver = driver;
    }

    void start(JsonNode request) {
        Properties p = driver.config();
        p.put("client.id", p.get("client.id") + "-" + request.get("name").asText());
        p.put("group.id", request.get("group").asText());
        p.put("enable.auto.commit", "false");
        p.put("auto.offset.reset", "earliest");
        p.put("session.timeout.ms", "10000");
        p.put("heartbeat.interval.ms", "500");
        Member m = new Member(p, request.get("topic").asText());
        members.put(request.get("name").asText(), m);
        m.thread.start();
    }

    void take(JsonNode request, ObjectNode answer) throws Exception {
        members.get(request.get("name").asText()).take(request.path("wait_ms").asLong(), answer);
    }

    void stop(String name) throws Exception {
        members.remove(name).stop();
    }

    void close() {
        members.values().forEach(m -> m.stopping = true);
    }

    private static final class Member implements Runnable, ConsumerRebalanceListener {
        final Thread thread = new Thread(this);
        volatile boolean stopping;
        private final KafkaConsumer<byte[], byte[]> consumer;
        private final String topic;
        private final Set<Integer> assigned = new TreeSet<>();
        private final List<ConsumerRecord<byte[], byte[]>> taken = new ArrayList<>();
        private final List<String> errors = new ArrayList<>();

        Member(Properties config, String topic) {
            this.consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            this.topic = topic;
        }

        @Override
        public void run() {
            try (consumer) {
                consumer.subscribe(List.of(topic), this);
                while (!stopping) {
                    poll();
                }
            } catch (RuntimeException e) {
                failed("consumer ended", e);
            }
        }

        private void poll() {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
            if (records.isEmpty()) {
                return;
            }
            synchronized (this) {
                records.forEach(taken::add);
                notifyAll();
            }
            try {
                consumer.commitSync();
            } catch (KafkaException e) {
                failed("commit", e);
            }
        }

        private synchronized void failed(String what, Exception e) {
            errors.add(what + ": " + e);
        }

        synchronized void take(long waitMs, ObjectNode answer) throws InterruptedException {
            if (taken.isEmpty() && waitMs > 0) {
                wait(waitMs);
            }
            ArrayNode records = answer.putArray("records");
            taken.forEach(r -> records.add(Driver.record(r)));
            taken.clear();
            ArrayNode partitions = answer.putArray("assigned");
            assigned.forEach(partitions::add);
            ArrayNode failures = answer.putArray("errors");
            errors.forEach(failures::add);
            errors.clear();
        }

        void stop() throws InterruptedException {
            stopping = true;
            thread.join(30_000);
        }

        @Override
        public synchronized void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            partitions.forEach(p -> assigned.add(p.partition()));
        }

        @Override
        public synchronized void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            partitions.forEach(p -> assigned.remove(p.partition()));
        }
    }
}
