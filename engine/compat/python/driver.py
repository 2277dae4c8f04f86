"""confluent-kafka (librdkafka) under the control of the tests.

One JSON command a line on stdin, one JSON answer a line on stdout (engine/compat/doc.go has the commands).
"""

import base64
import concurrent.futures
import json
import os
import sys
import threading
import time

import confluent_kafka as ck
from confluent_kafka import admin as ka

BASE = {
    "bootstrap.servers": os.environ["LOGARIUM_DRIVER_BOOTSTRAP"],
    "client.id": os.environ["LOGARIUM_DRIVER_CLIENT_ID"],
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 500,
    # By default librdkafka 2.16 throws its brokers away and starts anew when all are gone for some seconds, and then
    # never gets through to some of them: calls time out for ever (seen against Apache Kafka 4.3.1 as well).
    "metadata.recovery.strategy": "none",
}


def to_bytes(s):
    return None if s is None else base64.b64decode(s)


def to_base64(b):
    return None if b is None else base64.b64encode(b).decode()


def record(m):
    return {
        "p": m.partition(),
        "o": m.offset(),
        "ts": m.timestamp()[1],
        "k": to_base64(m.key()),
        "v": to_base64(m.value()),
        "h": [[name, to_base64(value)] for name, value in m.headers() or []],
    }


class Member:
    """A consumer in a group, on a thread of its own; it commits what it took after each poll."""

    def __init__(self, name, group, topic):
        conf = {
            **BASE,
            "client.id": f"{BASE['client.id']}-{name}",
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 10000,
            "heartbeat.interval.ms": 500,
            "topic.metadata.refresh.interval.ms": 1000,
        }
        self.changed = threading.Condition()
        self.taken, self.errors, self.assigned = [], [], set()
        self.stopping = False
        self.consumer = ck.Consumer(conf)
        self.consumer.subscribe([topic], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_revoke)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def on_assign(self, _, partitions):
        with self.changed:
            self.assigned |= {p.partition for p in partitions}

    def on_revoke(self, _, partitions):
        with self.changed:
            self.assigned -= {p.partition for p in partitions}

    def run(self):
        while not self.stopping:
            messages = self.consumer.consume(num_messages=500, timeout=0.1)
            good = [m for m in messages if m.error() is None]
            with self.changed:
                self.taken += [record(m) for m in good]
                self.errors += [f"consume: {m.error()}" for m in messages if m.error() is not None]
                self.changed.notify_all()
            if good:
                self.commit()
        self.consumer.close()

    def commit(self):
        try:
            self.consumer.commit(asynchronous=False)
        except ck.KafkaException as e:
            with self.changed:
                self.errors.append(f"commit: {e}")

    def take(self, wait_ms):
        with self.changed:
            if not self.taken and wait_ms:
                self.changed.wait(wait_ms / 1000)
            out = {"records": self.taken, "assigned": sorted(self.assigned), "errors": self.errors}
            self.taken, self.errors = [], []
            return out

    def stop(self):
        self.stopping = True
        self.thread.join(30)


class Driver:
    def __init__(self):
        self.admin = ka.AdminClient(BASE)
        self.producers = {}
        self.members = {}

    def close(self):
        for m in self.members.values():
            m.stop()
        for p in self.producers.values():
            p.flush(5)

    def after(self, e):
        """Takes a new admin client when the old one got no answer.

        librdkafka drops brokers that a Metadata answer leaves out, as Apache Kafka's do while it starts, and may never
        get through to them again when they are back.
        """
        timed_out = isinstance(e, ck.KafkaException) and e.args[0].code() == ck.KafkaError._TIMED_OUT
        if timed_out or isinstance(e, (TimeoutError, concurrent.futures.TimeoutError)):
            self.admin = ka.AdminClient(BASE)

    def version(self, _):
        return {"version": f"confluent-kafka {ck.__version__}, librdkafka {ck.libversion()[0]}"}

    # --- producing and reading

    def produce(self, q):
        codec = q.get("codec") or "none"
        if codec not in self.producers:
            conf = {
                **BASE,
                "enable.idempotence": True,
                "compression.type": codec,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "message.max.bytes": 2000000,
            }
            self.producers[codec] = ck.Producer(conf)
        producer, placed, errors = self.producers[codec], [None] * len(q["records"]), []

        def delivered(i):
            def report(err, m):
                if err:
                    errors.append(str(err))
                else:
                    placed[i] = {"p": m.partition(), "o": m.offset()}

            return report

        for i, r in enumerate(q["records"]):
            extra = {"timestamp": r["ts"]} if r.get("ts") else {}
            producer.produce(
                q["topic"],
                key=to_bytes(r.get("k")),
                value=to_bytes(r.get("v")),
                partition=r.get("p", -1),
                headers=[(h[0], to_bytes(h[1])) for h in r.get("h") or []],
                on_delivery=delivered(i),
                **extra,
            )
        left = producer.flush(30)
        if errors or left:
            raise RuntimeError(f"{left} records not answered; errors: {errors}")
        return {"placed": placed}

    def consume(self, q):
        consumer = ck.Consumer({**BASE, "group.id": "unused", "enable.auto.commit": False, "auto.offset.reset": "error"})
        records, deadline = [], time.monotonic() + 30
        try:
            consumer.assign([ck.TopicPartition(q["topic"], int(p), o) for p, o in q["offsets"].items()])
            while len(records) < q["count"] and time.monotonic() < deadline:
                m = consumer.poll(0.2)
                if m is None:
                    continue
                if m.error():
                    raise ck.KafkaException(m.error())
                records.append(record(m))
        finally:
            consumer.close()
        return {"records": records}

    # --- members of groups

    def member_start(self, q):
        self.members[q["name"]] = Member(q["name"], q["group"], q["topic"])

    def member_take(self, q):
        return self.members[q["name"]].take(q.get("wait_ms", 0))

    def member_stop(self, q):
        self.members.pop(q["name"]).stop()

    # --- admin

    def metadata(self, topic):
        t = self.admin.list_topics(topic, timeout=30).topics[topic]
        if t.error:
            raise ck.KafkaException(t.error)
        return t

    def cluster(self, _):
        d = self.admin.describe_cluster().result(30)
        return {"brokers": sorted(n.id for n in d.nodes), "controller": d.controller.id, "cluster_id": d.cluster_id}

    def create_topic(self, q):
        t = ka.NewTopic(q["topic"], num_partitions=q["partitions"], config=q.get("configs") or {})
        self.admin.create_topics([t])[q["topic"]].result(30)

    def list_topics(self, _):
        return {"names": sorted(self.admin.list_topics(timeout=30).topics)}

    def describe_topic(self, q):
        d = self.admin.describe_topics(ck.TopicCollection([q["topic"]]))[q["topic"]].result(30)
        return {"leaders": [p.leader.id if p.leader else -1 for p in sorted(d.partitions, key=lambda p: p.id)]}

    def create_partitions(self, q):
        self.admin.create_partitions([ka.NewPartitions(q["topic"], q["partitions"])])[q["topic"]].result(30)

    def delete_topic(self, q):
        self.admin.delete_topics([q["topic"]])[q["topic"]].result(30)

    def alter_config(self, q):
        entries = [
            ka.ConfigEntry(name, value, incremental_operation=ka.AlterConfigOpType.SET) for name, value in q["configs"].items()
        ]
        resource = ka.ConfigResource(ka.ConfigResource.Type.TOPIC, q["topic"], incremental_configs=entries)
        self.admin.incremental_alter_configs([resource])[resource].result(30)

    def describe_config(self, q):
        resource = ka.ConfigResource(ka.ConfigResource.Type.TOPIC, q["topic"])
        entries = self.admin.describe_configs([resource])[resource].result(30)
        return {"configs": {name: e.value for name, e in entries.items()}}

    def list_offsets(self, q):
        special = {"earliest": ka.OffsetSpec.earliest, "latest": ka.OffsetSpec.latest}
        spec = special[q["at"]]() if q["at"] in special else ka.OffsetSpec.for_timestamp(int(q["at"]))
        asked = {ck.TopicPartition(q["topic"], p): spec for p in self.metadata(q["topic"]).partitions}
        return {"offsets": {str(tp.partition): f.result(30).offset for tp, f in self.admin.list_offsets(asked).items()}}

    def delete_records(self, q):
        before = [ck.TopicPartition(q["topic"], int(p), o) for p, o in q["offsets"].items()]
        for f in self.admin.delete_records(before).values():
            f.result(30)

    def group_list(self, _):
        return {"names": sorted(g.group_id for g in self.admin.list_consumer_groups().result(30).valid)}

    def group_describe(self, q):
        d = self.admin.describe_consumer_groups([q["group"]], request_timeout=10)[q["group"]].result(30)
        members = [
            {
                "client_id": m.client_id,
                "partitions": sorted(tp.partition for tp in m.assignment.topic_partitions) if m.assignment else [],
            }
            for m in d.members
        ]
        return {"state": d.state.name, "members": members}

    def group_offsets(self, q):
        asked = [ck.ConsumerGroupTopicPartitions(q["group"])]
        found = self.admin.list_consumer_group_offsets(asked)[q["group"]].result(30)
        mine = [tp for tp in found.topic_partitions if tp.topic == q["topic"] and tp.offset >= 0]
        return {"offsets": {str(tp.partition): tp.offset for tp in mine}}

    def group_reset(self, q):
        to = [ck.TopicPartition(q["topic"], int(p), o) for p, o in q["offsets"].items()]
        done = self.admin.alter_consumer_group_offsets([ck.ConsumerGroupTopicPartitions(q["group"], to)])[q["group"]].result(30)
        for tp in done.topic_partitions:
            if tp.error:
                raise ck.KafkaException(tp.error)

    def group_delete(self, q):
        self.admin.delete_consumer_groups([q["group"]])[q["group"]].result(30)


def main():
    driver = Driver()
    for line in sys.stdin:
        q = json.loads(line)
        try:
            answer = getattr(driver, q["do"])(q) or {}
        except Exception as e:  # whatever it is, the tests are told
            answer = {"error": f"{type(e).__name__}: {e}"}
            driver.after(e)
        print(json.dumps(answer), flush=True)
    driver.close()


main()
