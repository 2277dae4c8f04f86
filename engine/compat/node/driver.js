'use strict'
// kafkajs under the control of the tests: one JSON command a line on stdin, one JSON answer a line on stdout
// (engine/compat/doc.go has the commands). NODE_PATH must name the folder that setup.sh installed into.

const readline = require('node:readline')
const { AssignerProtocol, Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, Partitioners, logLevel } = require('kafkajs')
CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')

const clientConfig = {
  clientId: process.env.LOGARIUM_DRIVER_CLIENT_ID,
  brokers: process.env.LOGARIUM_DRIVER_BOOTSTRAP.split(','),
  retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 60 }, // a restart of the brokers takes some seconds
  logLevel: logLevel.WARN,
  logCreator: () => ({ namespace, log }) => console.error(`${namespace}: ${log.message} ${log.error ?? ''}`),
}
const kafka = new Kafka(clientConfig)
// kafkajs asks again for everything that could change, a topic that is not there among them: few retries here.
const admin = kafka.admin({ retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 6 } })
let connected
const connect = () => (connected ??= admin.connect())

const bytes = (s) => (s == null ? null : Buffer.from(s, 'base64'))
const base64 = (b) => (b == null ? null : Buffer.from(b).toString('base64'))
const byPartition = (list, value) => Object.fromEntries(list.map((e) => [e.partition, Number(value(e))]))
const pairs = (offsets) => Object.entries(offsets).map(([p, o]) => ({ partition: Number(p), offset: String(o) }))

// within waits for a promise, but no longer than ms.
async function within (promise, ms) {
  let timer
  await Promise.race([promise, new Promise((done) => { timer = setTimeout(done, ms) })])
  clearTimeout(timer)
}

function headersOf (list) {
  const headers = {}
  for (const [name, value] of list ?? []) {
    const b = bytes(value)
    headers[name] = name in headers ? [].concat(headers[name], b) : b
  }
  return headers
}

function recordOf (partition, m) {
  const h = []
  for (const [name, value] of Object.entries(m.headers ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) h.push([name, base64(one)])
  }
  return { p: partition, o: Number(m.offset), ts: Number(m.timestamp), k: base64(m.key), v: base64(m.value), h }
}

// --- producing and reading

let producer
async function produce ({ topic, records, codec }) {
  if (!producer) {
    producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner })
    await producer.connect()
  }
  const compression = { gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }[codec] ?? CompressionTypes.None
  const placed = []
  for (const messages of batches(records)) {
    const bases = {}
    for (const m of await producer.send({ topic, compression, acks: -1, messages })) bases[m.partition] = Number(m.baseOffset)
    // kafkajs tells the offset of the first record of each partition; the others follow in order.
    for (const m of messages) {
      const p = m.partition ?? Number(Object.keys(bases)[0])
      placed.push({ p, o: bases[p]++ })
    }
  }
  return { placed }
}

// batches makes one send of records in a row that name their partition, and one of each that does not: where kafkajs
// put that is known only if it is alone.
function batches (records) {
  const out = []
  let open = false
  for (const r of records) {
    const message = { key: bytes(r.k), value: bytes(r.v), headers: headersOf(r.h) }
    const named = r.p != null && r.p >= 0
    if (named) message.partition = r.p
    if (r.ts) message.timestamp = String(r.ts)
    if (named && open) out[out.length - 1].push(message)
    else out.push([message])
    open = named
  }
  return out
}

// kafkajs reads in groups alone, so a plain read is a group of one that seeks and commits nothing.
async function consume ({ topic, offsets, count }) {
  const consumer = kafka.consumer({ groupId: `read-${topic}-${Date.now()}`, maxBytesPerPartition: 4 << 20, maxWaitTimeInMs: 200 })
  const records = []
  const seen = new Set() // what came before the seek comes again after it
  let done
  const all = new Promise((resolve) => { done = resolve })
  const joined = new Promise((resolve) => { consumer.on(consumer.events.GROUP_JOIN, resolve) })
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        const at = `${partition}:${message.offset}`
        if (records.length < count && partition in offsets && Number(message.offset) >= offsets[partition] && !seen.has(at)) {
          seen.add(at)
          records.push(recordOf(partition, message))
        }
        if (records.length >= count) done()
      },
    })
    await within(joined, 30000) // run comes back before that when the first attempt to join fails
    for (const { partition, offset } of pairs(offsets)) consumer.seek({ topic, partition, offset })
    if (count > 0) await within(all, 30000)
  } finally {
    await consumer.disconnect()
  }
  return { records }
}

// --- members of groups

const members = new Map()

async function memberStart ({ name, group, topic }) {
  const client = new Kafka({ ...clientConfig, clientId: `${clientConfig.clientId}-${name}` })
  const consumer = client.consumer({ groupId: group, sessionTimeout: 10000, rebalanceTimeout: 10000, heartbeatInterval: 500, maxWaitTimeInMs: 200 })
  const m = { consumer, taken: [], assigned: [], errors: [], wake: () => {} }
  members.set(name, m)
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { m.assigned = payload.memberAssignment[topic] ?? [] })
  consumer.on(consumer.events.CRASH, ({ payload }) => { m.errors.push(`crash (restart: ${payload.restart}): ${payload.error}`) })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    eachBatchAutoResolve: true,
    eachBatch: async ({ batch, isRunning, isStale }) => {
      if (!isRunning() || isStale()) return
      for (const message of batch.messages) m.taken.push(recordOf(batch.partition, message))
      m.wake()
    },
  })
  return {}
}

async function memberTake ({ name, wait_ms: waitMs }) {
  const m = members.get(name)
  if (m.taken.length === 0 && waitMs > 0) {
    await within(new Promise((resolve) => { m.wake = resolve }), waitMs)
  }
  return { records: m.taken.splice(0), assigned: [...m.assigned].sort((a, b) => a - b), errors: m.errors.splice(0) }
}

async function memberStop ({ name }) {
  const m = members.get(name)
  members.delete(name)
  await m.consumer.disconnect()
  return {}
}

// --- admin

async function listOffsets ({ topic, at }) {
  if (at !== 'earliest' && at !== 'latest') {
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, Number(at))
    return { offsets: byPartition(found, (o) => o.offset) }
  }
  const offsets = await admin.fetchTopicOffsets(topic)
  return { offsets: byPartition(offsets, (o) => (at === 'earliest' ? o.low : o.high)) }
}

async function describeGroup ({ group }) {
  const d = (await admin.describeGroups([group])).groups[0]
  const members = d.members.map((m) => ({
    client_id: m.clientId,
    partitions: m.memberAssignment.length
      ? Object.values(AssignerProtocol.MemberAssignment.decode(m.memberAssignment).assignment).flat().sort((a, b) => a - b)
      : [],
  }))
  return { state: d.state, members }
}

const topicConfig = (topic) => ({ type: ConfigResourceTypes.TOPIC, name: topic })

const commands = {
  version: async () => ({ version: `kafkajs ${require('kafkajs/package.json').version}` }),
  produce,
  consume,
  member_start: memberStart,
  member_take: memberTake,
  member_stop: memberStop,
  cluster: async () => {
    const c = await admin.describeCluster()
    return { brokers: c.brokers.map((b) => b.nodeId).sort(), controller: c.controller, cluster_id: c.clusterId }
  },
  create_topic: async ({ topic, partitions, configs }) => {
    const configEntries = Object.entries(configs ?? {}).map(([name, value]) => ({ name, value }))
    const made = await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }] })
    if (!made) throw new Error('the topic was there already')
  },
  list_topics: async () => ({ names: (await admin.listTopics()).sort() }),
  describe_topic: async ({ topic }) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    return { leaders: topics[0].partitions.sort((a, b) => a.partitionId - b.partitionId).map((p) => p.leader) }
  },
  create_partitions: async ({ topic, partitions }) => { await admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] }) },
  delete_topic: async ({ topic }) => { await admin.deleteTopics({ topics: [topic] }) },
  // kafkajs has the old call alone, which replaces all of a topic's configs.
  alter_config: async ({ topic, configs }) => {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...topicConfig(topic), configEntries }] })
  },
  describe_config: async ({ topic }) => {
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [topicConfig(topic)] })
    return { configs: Object.fromEntries(resources[0].configEntries.map((e) => [e.configName, e.configValue])) }
  },
  list_offsets: listOffsets,
  // deleteTopicRecords knows the leaders of those topics alone that this admin client has asked for before.
  delete_records: async ({ topic, offsets }) => {
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: pairs(offsets) })
  },
  group_list: async () => ({ names: (await admin.listGroups()).groups.map((g) => g.groupId).sort() }),
  group_describe: describeGroup,
  group_offsets: async ({ group, topic }) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    return { offsets: byPartition(partitions.filter((p) => p.offset !== '-1'), (p) => p.offset) }
  },
  group_reset: async ({ group, topic, offsets }) => { await admin.setOffsets({ groupId: group, topic, partitions: pairs(offsets) }) },
  group_delete: async ({ group }) => { await admin.deleteGroups([group]) },
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    let answer
    try {
      const command = commands[request.do]
      if (!command) throw new Error(`no such command: ${request.do}`)
      await connect()
      answer = (await command(request)) ?? {}
    } catch (e) {
      answer = { error: `${e.name}: ${e.message} ${JSON.stringify(e.groups ?? e.partitions ?? e.errors ?? [])}` }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
  const open = [...[...members.values()].map((m) => m.consumer), ...(producer ? [producer] : []), admin]
  await within(Promise.allSettled(open.map((one) => one.disconnect())), 5000)
  process.exit(0) // what is still being retried would keep node alive
}

main().catch((e) => {
  console.error(e)
  process.exit(1)
})
