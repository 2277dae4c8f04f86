// Package compat runs real clients, each in its own language, against the real binary: Apache Kafka's command line
// tools and Java client, kafkajs, confluent-kafka for Python (librdkafka), kcat and franz-go. It holds tests alone.
//
// The same assertions run against another cluster, such as Apache Kafka itself, by one switch:
//
//	LOGARIUM_COMPAT_BOOTSTRAP  host:port,...: use that cluster instead of starting this engine
//	LOGARIUM_COMPAT_RESTART    a shell command that restarts that cluster and returns when it serves again; it is
//	                           told how by LOGARIUM_COMPAT_SIGNAL, TERM or KILL. Without it the cases go on without
//	                           a restart, and the kill test is skipped.
//	LOGARIUM_COMPAT_BROKER     a shell command that acts on one broker of that cluster: LOGARIUM_COMPAT_ACTION says
//	                           stop, kill or start, LOGARIUM_COMPAT_ID which. Without it the tests of single brokers
//	                           are skipped.
//
// setup.sh installs the clients; LOGARIUM_KAFKA_LIBS, LOGARIUM_NODE_PATH, LOGARIUM_PYTHON and LOGARIUM_KCAT say where
// they are (by default where setup.sh puts them). What is missing is skipped, and with LOGARIUM_CI=1 it is a failure.
// LOGARIUM_COMPAT_BINARY names a binary to test instead of building one.
//
// # Drivers
//
// The libraries run inside small programs (java/, node/, python/; franz-go in this package) that take one JSON
// command a line on stdin and answer with one JSON object a line on stdout, {"error": "..."} when it failed. All
// take the same commands, so that one story serves all clients:
//
//	version                                  name and version of the client
//	cluster                                  brokers, controller, cluster_id
//	create_topic topic partitions configs    with the cluster's default replication factor
//	list_topics, describe_topic topic        names; leaders by partition
//	create_partitions topic partitions       the new total
//	delete_topic topic
//	alter_config, describe_config topic configs
//	list_offsets topic at                    at: earliest, latest or a timestamp in ms
//	delete_records topic offsets             all before these offsets, by partition
//	produce topic records codec              acks=all, idempotent; answers placed: partition and offset of each, in order
//	consume topic offsets count              reads from these offsets on, in no group, until count records came or 30 s went by
//	member_start name group topic            a group member in the background that commits after each poll
//	member_take name wait_ms                 what it has taken since the last call, its partitions now, and errors
//	member_stop name                         leaves the group
//	group_list, group_describe group, group_offsets group topic, group_reset group topic offsets, group_delete group
//
// Records are {p, o, ts, k, v, h}: partition (−1: the client's partitioner), offset, timestamp in ms, key, value and
// headers [[name, value]...]; bytes are base64, null is null.
//
// It imports nothing of the engine: all it knows of it is a command line and an address.
package compat
