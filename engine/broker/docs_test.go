package broker

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/protocol.md")

//go:generate go test -run TestProtocolDocument -update .

const protocolDocument = "../../docs/protocol.md"

// describeProtocol writes docs/protocol.md from the table of APIs and the
// defaults of Limits.
func describeProtocol() string {
	var out strings.Builder
	l := Limits{}.withDefaults()
	fmt.Fprintf(&out, `# The protocol

<!-- Written by go generate ./engine/broker from engine/broker/apis.go; do not edit. -->

Logarium speaks the [Kafka protocol](https://kafka.apache.org/protocol). These are the requests that its brokers take and
announce in ApiVersions; anything else closes the connection, with a line in the log. An ApiVersions request of a higher
version is answered with UNSUPPORTED_VERSION in the layout of version 0, so that the client asks again.

| key | request | versions | largest request |
|---:|---|---|---:|
`)
	for _, a := range byKey {
		if a == nil {
			continue
		}
		limit := a.frameLimit
		if limit == produceFrame {
			limit = l.MaxRequestBytes
		}
		fmt.Fprintf(&out, "| %d | %s | %d to %d | %d MiB |\n", a.key, a.name(), a.min, a.max, limit/mib)
	}
	fmt.Fprintf(&out, `
## Limits

| what | default | Kafka's name |
|---|---|---|
| largest request | %d MiB | socket.request.max.bytes |
| memory of requests under way, above 64 KiB for each connection | %d MiB | queued.max.request.bytes |
| connections of a broker | %d | max.connections |
| connections of an address | %d | max.connections.per.ip |
| requests of a connection that wait for their answers | %d | |
| elements of all arrays of a request | %d | |
| tagged fields of a structure | %d | |
| a connection that asks nothing is closed after | %v | connections.max.idle.ms |
| a request arrives within | %v, and a second for each %d KiB | |
| a client that takes nothing of an answer is cut off after | %v | |
| bytes of a Fetch answer | %d MiB | fetch.max.bytes |
| incremental fetch sessions | %d | max.incremental.fetch.session.cache.slots |

Memory is taken as a request's bytes arrive, never for what its length claims. Every length and count in a request is
checked against the bytes that are there before anything is decoded.

## Where it differs from Apache Kafka

- Records are stored as batches of format 2 only (as in Kafka 4), one batch for each partition of a Produce.
- Transactions are not supported yet: a transactional id or batch is refused.
- A topic that a Metadata request makes is answered at once with its leaders, not with an error first.
- Features: metadata.version is 30 (4.3-IV0), eligible.leader.replicas.version 1; both are fixed. kraft.version is 0: voters are fixed
  when the process starts. What is not announced is not there.
- DescribeQuorum knows no listeners of controllers: they are reached through any broker. Its offsets count entries of the metadata log.
- Each broker has one log directory: AlterReplicaLogDirs into it does nothing, into any other is LOG_DIR_NOT_FOUND.
- Throttles of replication (leader.replication.throttled.rate and so on) are kept and told, so that tools work, and have no effect.
- A broker that is unregistered while it runs registers again.
- A Fetch or ListOffsets that claims to be a replica is refused: brokers do not replicate through this listener.
`, l.MaxRequestBytes/mib, l.QueuedRequestBytes/mib, l.MaxConnections, l.MaxConnectionsPerIP, l.MaxInFlightPerConn, l.MaxElements,
		maxTags, l.IdleTimeout, l.FrameTimeout, l.MinFrameRate/kib, l.WriteTimeout, l.FetchMaxBytes/mib, l.FetchSessions)
	return out.String()
}

func TestProtocolDocument(t *testing.T) {
	want := describeProtocol()
	if *update {
		must(t, os.WriteFile(protocolDocument, []byte(want), 0o644))
	}
	got, err := os.ReadFile(protocolDocument)
	must(t, err)
	if string(got) != want {
		t.Fatal("docs/protocol.md is not what apis.go says: go generate ./engine/broker")
	}
}
