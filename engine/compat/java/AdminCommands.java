import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.config.ConfigResource;

/** What the tests ask of the Java Admin client. */
final class AdminCommands {
    private final Admin admin;

    AdminCommands(Properties config) {
        this.admin = Admin.create(config);
    }

    void close() {
        admin.close();
    }

    void run(String what, JsonNode q, ObjectNode answer) throws Exception {
        String topic = q.path("topic").asText();
        String group = q.path("group").asText();
        switch (what) {
            case "cluster" -> cluster(answer);
            case "create_topic" -> createTopic(q, topic);
            case "list_topics" -> fill(answer.putArray("names"), admin.listTopics().names().get());
            case "describe_topic" -> describeTopic(topic, answer);
            case "create_partitions" -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(q.get("partitions").asInt()))).all().get();
            case "delete_topic" -> admin.deleteTopics(List.of(topic)).all().get();
            case "alter_config" -> alterConfig(topic, q.get("configs"));
            case "describe_config" -> describeConfig(topic, answer);
            case "list_offsets" -> listOffsets(topic, q.get("at"), answer);
            case "delete_records" -> deleteRecords(topic, q.get("offsets"));
            case "group_list" -> fill(answer.putArray("names"), admin.listGroups().all().get().stream().map(g -> g.groupId()).collect(Collectors.toSet()));
            case "group_describe" -> describeGroup(group, answer);
            case "group_offsets" -> groupOffsets(group, topic, answer);
            case "group_reset" -> admin.alterConsumerGroupOffsets(group, committed(topic, q.get("offsets"))).all().get();
            case "group_delete" -> admin.deleteConsumerGroups(List.of(group)).all().get();
            default -> throw new IllegalArgumentException("no such command: " + what);
        }
    }

    private static void fill(ArrayNode a, Set<String> names) {
        new TreeSet<>(names).forEach(a::add);
    }

    private void cluster(ObjectNode answer) throws Exception {
        DescribeClusterResult c = admin.describeCluster();
        ArrayNode brokers = answer.putArray("brokers");
        c.nodes().get().stream().map(Node::id).sorted().forEach(brokers::add);
        answer.put("controller", c.controller().get().id()).put("cluster_id", c.clusterId().get());
    }

    private void createTopic(JsonNode q, String topic) throws Exception {
        NewTopic t = new NewTopic(topic, Optional.of(q.get("partitions").asInt()), Optional.empty());
        admin.createTopics(List.of(t.configs(strings(q.get("configs"))))).all().get();
    }

    private void describeTopic(String topic, ObjectNode answer) throws Exception {
        TopicDescription d = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
        ArrayNode leaders = answer.putArray("leaders");
        for (TopicPartitionInfo p : d.partitions()) {
            leaders.add(p.leader() == null ? -1 : p.leader().id());
        }
    }

    private void alterConfig(String topic, JsonNode configs) throws Exception {
        List<AlterConfigOp> ops = strings(configs).entrySet().stream()
                .map(e -> new AlterConfigOp(new ConfigEntry(e.getKey(), e.getValue()), AlterConfigOp.OpType.SET)).toList();
        admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.TOPIC, topic), ops)).all().get();
    }

    private void describeConfig(String topic, ObjectNode answer) throws Exception {
        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        ObjectNode configs = answer.putObject("configs");
        admin.describeConfigs(List.of(r)).all().get().get(r).entries().forEach(e -> configs.put(e.name(), e.value()));
    }

    private void listOffsets(String topic, JsonNode at, ObjectNode answer) throws Exception {
        OffsetSpec spec = switch (at.asText()) {
            case "earliest" -> OffsetSpec.earliest();
            case "latest" -> OffsetSpec.latest();
            default -> OffsetSpec.forTimestamp(at.asLong());
        };
        Map<TopicPartition, OffsetSpec> ask = new HashMap<>();
        int partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
        for (int p = 0; p < partitions; p++) {
            ask.put(new TopicPartition(topic, p), spec);
        }
        ObjectNode offsets = answer.putObject("offsets");
        for (Map.Entry<TopicPartition, ListOffsetsResult.ListOffsetsResultInfo> e : admin.listOffsets(ask).all().get().entrySet()) {
            offsets.put(Integer.toString(e.getKey().partition()), e.getValue().offset());
        }
    }

    private void deleteRecords(String topic, JsonNode before) throws Exception {
        Map<TopicPartition, RecordsToDelete> m = new HashMap<>();
        before.properties().forEach(e ->
                m.put(new TopicPartition(topic, Integer.parseInt(e.getKey())), RecordsToDelete.beforeOffset(e.getValue().asLong())));
        admin.deleteRecords(m).all().get();
    }

    private void describeGroup(String group, ObjectNode answer) throws Exception {
        ConsumerGroupDescription d = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        answer.put("state", d.groupState().toString());
        ArrayNode members = answer.putArray("members");
        for (MemberDescription m : d.members()) {
            ArrayNode partitions = members.addObject().put("client_id", m.clientId()).putArray("partitions");
            m.assignment().topicPartitions().stream().map(TopicPartition::partition).sorted().forEach(partitions::add);
        }
    }

    private void groupOffsets(String group, String topic, ObjectNode answer) throws Exception {
        ObjectNode offsets = answer.putObject("offsets");
        admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().forEach((tp, o) -> {
            if (o != null && tp.topic().equals(topic)) {
                offsets.put(Integer.toString(tp.partition()), o.offset());
            }
        });
    }

    private static Map<TopicPartition, OffsetAndMetadata> committed(String topic, JsonNode offsets) {
        Map<TopicPartition, OffsetAndMetadata> m = new HashMap<>();
        offsets.properties().forEach(e ->
                m.put(new TopicPartition(topic, Integer.parseInt(e.getKey())), new OffsetAndMetadata(e.getValue().asLong())));
        return m;
    }

    private static Map<String, String> strings(JsonNode n) {
        Map<String, String> m = new HashMap<>();
        if (n != null) {
            n.properties().forEach(e -> m.put(e.getKey(), e.getValue().asText()));
        }
        return m;
    }
}
