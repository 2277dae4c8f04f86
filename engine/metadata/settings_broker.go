package metadata

const intMax = "2147483647"

// brokerTable and brokerSettings hold the broker settings that matter: the
// defaults of topic settings, what has an effect here, and what tools of Apache
// Kafka 4.3 ask for by name.
var brokerTable, brokerSettings = index(append(topicDefaults(), brokerRows...))

// topicDefaults derives, for each topic setting, the broker setting that it
// falls back on.
func topicDefaults() []Setting {
	var rows []Setting
	for _, t := range topicTable {
		if len(t.Fallback) == 0 {
			continue
		}
		row := *t
		row.Name = t.Fallback[0].Name
		row.Doc = "Default of the topic setting " + t.Name + ". " + t.Doc
		row.Update = ClusterWide
		row.Fallback = nil
		if len(t.Fallback) > 1 {
			row.Default, row.Fallback = nil, t.Fallback[1:]
		}
		if row.Name == "log.flush.interval.ms" {
			row.Default = nil
		}
		rows = append(rows, row)
	}
	return rows
}

var brokerRows = []Setting{
	// What this broker is.
	{Name: "advertised.listeners", Type: TypeList, Effect: true, Doc: "The addresses that clients are told, by listener."},
	{Name: "broker.id", Type: TypeInt, Default: text("-1"), Effect: true, Doc: "The id of this broker, as node.id."},
	{Name: "broker.rack", Type: TypeString, Effect: true, Doc: "The rack of this broker."},
	{Name: "controller.listener.names", Type: TypeList, Default: text(""), Doc: "Listeners of the controllers, which are in the same process here."},
	{Name: "inter.broker.listener.name", Type: TypeString, Doc: "The listener that brokers use among themselves."},
	{Name: "listener.security.protocol.map", Type: TypeString, Update: PerBroker, Default: text("PLAINTEXT:PLAINTEXT"),
		Doc: "Which security protocol each listener speaks."},
	{Name: "listeners", Type: TypeList, Effect: true, Update: PerBroker, Default: text("PLAINTEXT://:9092"), Doc: "The addresses that this broker listens on."},
	{Name: "log.dir", Type: TypeString, Default: text("/tmp/kafka-logs"), Doc: "The data directory; log.dirs is the one that counts."},
	{Name: "log.dirs", Type: TypeList, Effect: true, Doc: "The data directory of this broker."},
	{Name: "node.id", Type: TypeInt, Effect: true, min: limit(0), Doc: "The id of this broker."},
	{Name: "process.roles", Type: TypeList, Default: text(""), Doc: "What this node is: broker, controller or both."},

	// Topics.
	{Name: "auto.create.topics.enable", Type: TypeBool, Default: text("true"), Effect: true, Doc: "Make a topic when a client asks for its metadata and allows it."},
	{Name: "auto.leader.rebalance.enable", Type: TypeBool, Default: text("true"), Effect: true, Doc: "Give leadership back to the preferred replicas after brokers came back."},
	{Name: "default.replication.factor", Type: TypeInt, Default: text("3"), Effect: true, min: limit(1), Doc: "Replication factor of topics that do not ask for one. Where it is not set, it is the number of live brokers if that is below 3."},
	{Name: "delete.topic.enable", Type: TypeBool, Default: text("true"), Effect: true, Doc: "Let clients delete topics."},
	{Name: "leader.imbalance.check.interval.seconds", Type: TypeLong, Default: text("5"), Effect: true, min: limit(1), Doc: "How long after a change the leaders are compared with the preferred replicas (Apache Kafka: 300)."},
	{Name: "leader.imbalance.per.broker.percentage", Type: TypeInt, Default: text("10"), Effect: true, min: limit(0), Doc: "How many of the partitions that prefer a broker may be led by others, in percent, before it gets them back."},
	{Name: "log.cleaner.backoff.ms", Type: TypeLong, Default: text("15000"), Update: ClusterWide, min: limit(0), Doc: "How long the cleaner sleeps when there is nothing to clean."},
	{Name: "log.cleaner.dedupe.buffer.size", Type: TypeLong, Default: text("16777216"), Update: ClusterWide, Effect: true, min: limit(1024), Doc: "Memory for the keys of the log that is being compacted, 24 bytes for each (Kafka: 128 MiB)."},
	{Name: "log.cleaner.enable", Type: TypeBool, Default: text("true"), Doc: "Compact topics that ask for it. It cannot be switched off here."},
	{Name: "log.cleaner.io.max.bytes.per.second", Type: TypeDouble, Default: text("1.7976931348623157E308"), Update: ClusterWide, Effect: true, min: limit(1), Doc: "The most bytes a second that compaction reads and writes on a broker."},
	{Name: "log.cleaner.threads", Type: TypeInt, Default: text("1"), Update: ClusterWide, min: limit(0), Doc: "Threads that compact."},
	{Name: "log.retention.check.interval.ms", Type: TypeLong, Default: text("300000"), min: limit(1), Doc: "How often segments are checked against the retention."},
	{Name: "log.retention.hours", Type: TypeInt, Default: text("168"), Effect: true, Doc: "Retention in hours, where log.retention.ms and log.retention.minutes are not set."},
	{Name: "log.retention.minutes", Type: TypeInt, Effect: true, Doc: "Retention in minutes, where log.retention.ms is not set."},
	{Name: "log.roll.hours", Type: TypeInt, Default: text("168"), Effect: true, min: limit(1), Doc: "Age in hours at which a segment is rolled, where log.roll.ms is not set."},
	{Name: "log.roll.jitter.hours", Type: TypeInt, Default: text("0"), min: limit(0), Doc: "Jitter in hours, where log.roll.jitter.ms is not set."},
	{Name: "max.partitions", Type: TypeInt, Default: text("20000"), Effect: true, min: limit(1), Doc: "The most partitions that all topics together may have. Apache Kafka has no such setting."},
	{Name: "num.partitions", Type: TypeInt, Default: text("1"), Effect: true, min: limit(1), Doc: "Partitions of topics that do not ask for a number."},
	{Name: "offsets.topic.num.partitions", Type: TypeInt, Default: text("12"), Effect: true, min: limit(1), Doc: "Partitions of __consumer_offsets, when it is made."},
	{Name: "offsets.topic.replication.factor", Type: TypeShort, Default: text("3"), Effect: true, min: limit(1), Doc: "Replication factor of __consumer_offsets, when it is made. Where it is not set, it is the number of live brokers if that is below 3."},
	{Name: "offsets.topic.segment.bytes", Type: TypeInt, Default: text("104857600"), Effect: true, min: limit(1), Doc: "Segment size of __consumer_offsets, when it is made."},
	{Name: "offsets.topic.compression.codec", Type: TypeInt, Default: text("0"), Doc: "Compression of the batches in __consumer_offsets."},

	// Groups.
	{Name: "group.consumer.assignors", Type: TypeList, Default: text("uniform,range"), Doc: "Assignors of the new group protocol."},
	{Name: "group.consumer.heartbeat.interval.ms", Type: TypeInt, Default: text("5000"), min: limit(1), Doc: "Heartbeat interval of the new group protocol."},
	{Name: "group.consumer.session.timeout.ms", Type: TypeInt, Default: text("45000"), min: limit(1), Doc: "Session timeout of the new group protocol."},
	{Name: "group.coordinator.rebalance.protocols", Type: TypeList, Default: text("classic"), Doc: "Group protocols that are served."},
	{Name: "group.initial.rebalance.delay.ms", Type: TypeInt, Default: text("0"), Effect: true, min: limit(0), Doc: "How long the first rebalance of a new group waits for more members."},
	{Name: "group.max.session.timeout.ms", Type: TypeInt, Default: text("1800000"), Effect: true, Doc: "The longest session timeout that a member may ask for."},
	{Name: "group.max.size", Type: TypeInt, Default: text(intMax), Effect: true, min: limit(1), Doc: "The most members that a group may have."},
	{Name: "group.min.session.timeout.ms", Type: TypeInt, Default: text("6000"), Effect: true, Doc: "The shortest session timeout that a member may ask for."},
	{Name: "offset.metadata.max.bytes", Type: TypeInt, Default: text("4096"), Effect: true, Doc: "The longest metadata of a committed offset."},
	{Name: "offsets.commit.timeout.ms", Type: TypeInt, Default: text("5000"), Effect: true, min: limit(1), Doc: "How long an offset commit may wait to be replicated."},
	{Name: "offsets.retention.check.interval.ms", Type: TypeLong, Default: text("600000"), Effect: true, min: limit(1), Doc: "How often expired offsets are looked for."},
	{Name: "offsets.retention.minutes", Type: TypeInt, Default: text("10080"), Effect: true, min: limit(1), Doc: "How long the offsets of a group without members are kept."},

	// Producers and transactions.
	{Name: "producer.id.expiration.ms", Type: TypeInt, Default: text(day), Update: ClusterWide, Effect: true, min: limit(1), Doc: "How long a partition remembers an idempotent producer that sends nothing."},
	{Name: "transaction.max.timeout.ms", Type: TypeInt, Default: text("900000"), min: limit(1), Doc: "The longest transaction timeout that a producer may ask for."},
	{Name: "transaction.state.log.min.isr", Type: TypeInt, Default: text("2"), min: limit(1), Doc: "min.insync.replicas of __transaction_state."},
	{Name: "transaction.state.log.num.partitions", Type: TypeInt, Default: text("50"), min: limit(1), Doc: "Partitions of __transaction_state, when it is made."},
	{Name: "transaction.state.log.replication.factor", Type: TypeShort, Default: text("3"), min: limit(1), Doc: "Replication factor of __transaction_state, when it is made."},
	{Name: "transactional.id.expiration.ms", Type: TypeInt, Default: text(week), min: limit(1), Doc: "How long a transactional id without transactions is remembered."},

	// Replication.
	{Name: "broker.heartbeat.interval.ms", Type: TypeInt, Default: text("150"), Effect: true, min: limit(1), Doc: "How often a broker tells the active controller that it lives (Apache Kafka: 2000)."},
	{Name: "broker.session.timeout.ms", Type: TypeInt, Default: text("600"), Effect: true, min: limit(1), Doc: "How long the active controller waits for a word of a broker before it fences it (Apache Kafka: 9000). A broken connection fences it at once."},
	{Name: "controlled.shutdown.enable", Type: TypeBool, Default: text("true"), Effect: true, Doc: "Hand leadership over before stopping."},
	{Name: "follower.replication.throttled.rate", Type: TypeLong, Default: text(longMax), Update: PerBroker, min: limit(0), Doc: "Bytes a second that throttled replicas fetch from leaders."},
	{Name: "leader.replication.throttled.rate", Type: TypeLong, Default: text(longMax), Update: PerBroker, min: limit(0), Doc: "Bytes a second that throttled leaders give to followers."},
	{Name: "num.replica.fetchers", Type: TypeInt, Default: text("1"), Update: ClusterWide, Doc: "Fetchers for each leader broker."},
	{Name: "replica.alter.log.dirs.io.max.bytes.per.second", Type: TypeLong, Default: text(longMax), Update: PerBroker, min: limit(0), Doc: "Bytes a second that are moved between log directories."},
	{Name: "replica.fetch.max.bytes", Type: TypeInt, Default: text("1048576"), min: limit(0), Doc: "Bytes of a partition that a follower asks for at a time."},
	{Name: "replica.fetch.wait.max.ms", Type: TypeInt, Default: text("500"), Doc: "How long a follower's fetch waits for data."},
	{Name: "replica.lag.time.max.ms", Type: TypeLong, Default: text("10000"), Effect: true, min: limit(1), Doc: "A follower that has not caught up for so long leaves the ISR (Apache Kafka: 30000)."},
	{Name: "replica.selector.class", Type: TypeString, Effect: true, Doc: "org.apache.kafka.common.replica.RackAwareReplicaSelector sends consumers to replicas in their own rack; without it they read from leaders."},

	// Connections and requests.
	{Name: "authorizer.class.name", Type: TypeString, Default: text(""), Doc: "The authorizer of requests."},
	{Name: "background.threads", Type: TypeInt, Default: text("10"), Update: ClusterWide, min: limit(1), Doc: "Threads for background work."},
	{Name: "connections.max.idle.ms", Type: TypeLong, Default: text("600000"), Effect: true, Doc: "A connection without requests for so long is closed."},
	{Name: "fetch.max.bytes", Type: TypeInt, Default: text("57671680"), Effect: true, min: limit(1024), Doc: "The most bytes that one fetch returns."},
	{Name: "max.connection.creation.rate", Type: TypeInt, Default: text(intMax), Update: ClusterWide, min: limit(0), Doc: "The most new connections a second."},
	{Name: "max.connections", Type: TypeInt, Default: text(intMax), Update: ClusterWide, min: limit(0), Doc: "The most connections at a time."},
	{Name: "max.connections.per.ip", Type: TypeInt, Default: text(intMax), Update: ClusterWide, min: limit(0), Doc: "The most connections of one address."},
	{Name: "max.connections.per.ip.overrides", Type: TypeString, Default: text(""), Update: ClusterWide, Doc: "Other limits for some addresses."},
	{Name: "max.incremental.fetch.session.cache.slots", Type: TypeInt, Default: text("1000"), Effect: true, min: limit(0), Doc: "The most fetch sessions that are kept."},
	{Name: "max.request.partition.size.limit", Type: TypeInt, Default: text("2000"), Effect: true, min: limit(1), Doc: "The most partitions that one answer of DescribeTopicPartitions holds."},
	{Name: "num.io.threads", Type: TypeInt, Default: text("8"), Update: ClusterWide, min: limit(1), Doc: "Threads that handle requests."},
	{Name: "num.network.threads", Type: TypeInt, Default: text("3"), Update: ClusterWide, min: limit(1), Doc: "Threads that serve connections."},
	{Name: "num.recovery.threads.per.data.dir", Type: TypeInt, Default: text("2"), Update: ClusterWide, min: limit(1), Doc: "Threads that recover logs at start."},
	{Name: "queued.max.requests", Type: TypeInt, Default: text("500"), min: limit(1), Doc: "The most requests that wait."},
	{Name: "request.timeout.ms", Type: TypeInt, Default: text("30000"), Doc: "How long the broker waits for an answer of another."},
	{Name: "sasl.enabled.mechanisms", Type: TypeList, Default: text(""), Update: PerBroker, Doc: "SASL mechanisms that clients may use."},
	{Name: "socket.receive.buffer.bytes", Type: TypeInt, Default: text("102400"), Doc: "SO_RCVBUF of connections; -1 leaves it to the system."},
	{Name: "socket.request.max.bytes", Type: TypeInt, Default: text("104857600"), Effect: true, min: limit(1), Doc: "The largest request."},
	{Name: "socket.send.buffer.bytes", Type: TypeInt, Default: text("102400"), Doc: "SO_SNDBUF of connections; -1 leaves it to the system."},
	{Name: "super.users", Type: TypeString, Default: text(""), Doc: "Principals that every ACL allows."},
}
