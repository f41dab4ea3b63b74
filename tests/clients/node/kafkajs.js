// KafkaJS, the way its own documentation uses it. The README beside it lists what a program is told and prints.
const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = require('kafkajs')
const lz4 = require('lz4-napi')
const snappy = require('kafkajs-snappy')
const { ZstdCodec } = require('zstd-codec')

// KafkaJS brings gzip; the other codecs are plugged in by its users.
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
})
const zstd = new Promise((resolve) => ZstdCodec.run((codec) => resolve(new codec.Streaming())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from((await zstd).decompress(buffer)),
})
const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

const say = (...words) => console.log(words.join(' '))
const text = (data) => (data === null || data === undefined ? '-' : data.toString())
const sorted = (numbers) => [...numbers].sort((a, b) => a - b)

function sayRecord(partition, message) {
  const headers = Object.entries(message.headers || {}).map(([name, content]) => `${name}=${text(content)}`)
  say('record', partition, message.offset, message.timestamp, text(message.key), text(message.value), headers.join(',') || '-')
}

function records(codec, args) {
  const first = Number(args.first || 0)
  return Array.from({ length: Number(args.count) }, (_, index) => ({
    key: `key-${first + index}`,
    value: `${codec}-${first + index}:` + 'abcdefghij'.repeat(10),
    headers: { codec, number: String(first + index) },
    ...(args.partition && { partition: Number(args.partition) }),
  }))
}

async function produce(kafka, args) {
  const idempotent = args.idempotent === 'true'
  const producer = kafka.producer({ idempotent, maxInFlightRequests: 1 })
  await producer.connect()
  for (const codec of args.codecs.split(',')) {
    const messages = records(codec, args)
    const request = Number(args.batch || messages.length)
    for (let at = 0; at < messages.length; at += request) {
      const part = messages.slice(at, at + request)
      const sent = await producer.send({ topic: args.topic, acks: -1, compression: CODECS[codec], messages: part })
      // An answer has the first offset of each partition, not one for each record.
      for (const { partition, baseOffset } of sent) say('accepted', partition, baseOffset)
    }
  }
  await producer.disconnect()
}

async function stream(kafka, args) {
  const producer = kafka.producer({ idempotent: args.idempotent === 'true', maxInFlightRequests: 1, retry: { retries: 1000, initialRetryTime: 50, maxRetryTime: 200 } })
  await producer.connect()
  let leaving = false
  process.stdin.once('data', () => (leaving = true)).once('end', () => (leaving = true))
  for (let first = 0; !leaving; first += 1) {
    const [message] = records('none', { first, count: 1, partition: '0' })
    const [{ partition, baseOffset }] = await producer.send({ topic: args.topic, acks: -1, messages: [message] })
    say('sent', partition, baseOffset, message.value)
  }
  process.stdin.destroy()
  await producer.disconnect()
}

async function consume(kafka, args) {
  const admin = kafka.admin()
  await admin.connect()
  const [kind, number] = args.from.split(':')
  const offsets =
    kind === 'time' ? await admin.fetchTopicOffsetsByTimestamp(args.topic, Number(number)) : await admin.fetchTopicOffsets(args.topic)
  await admin.disconnect()
  // KafkaJS consumes in groups only.
  const consumer = kafka.consumer({ groupId: `${args.topic}-${process.pid}`, sessionTimeout: 6000, heartbeatInterval: 500 })
  await consumer.connect()
  await consumer.subscribe({ topics: [args.topic], fromBeginning: kind !== 'latest' })
  let left = Number(args.count)
  const done = new Promise((resolve) => {
    const eachMessage = async ({ partition, message }) => {
      if (left === 0) return
      sayRecord(partition, message)
      left -= 1
      if (left === 0) resolve()
    }
    consumer.on(consumer.events.GROUP_JOIN, () => say('ready'))
    consumer.run({ eachMessage })
  })
  if (kind !== 'earliest') {
    for (const { partition, offset } of offsets) {
      consumer.seek({ topic: args.topic, partition, offset: kind === 'offset' ? number : offset })
    }
  }
  if (left > 0) await done
  await consumer.disconnect()
}

async function member(kafka, args) {
  const consumer = kafka.consumer({ groupId: args.group, sessionTimeout: 6000, heartbeatInterval: 500 })
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    say('assigned', sorted(payload.memberAssignment[args.topic] || []).join(',') || '-')
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [args.topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ topic, partition, message }) => {
      sayRecord(partition, message)
      await consumer.commitOffsets([{ topic, partition, offset: String(BigInt(message.offset) + 1n) }])
    },
  })
  await new Promise((resolve) => process.stdin.once('data', resolve).once('end', resolve))
  process.stdin.destroy()
  await consumer.disconnect()
}

async function commit(kafka, args) {
  const consumer = kafka.consumer({ groupId: args.group })
  await consumer.connect()
  await consumer.subscribe({ topics: [args.topic] })
  const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve))
  await consumer.run({ autoCommit: false, eachMessage: async () => {} })
  await joined
  const { topic, offset, metadata } = args
  await consumer.commitOffsets([{ topic, partition: Number(args.partition), offset, metadata }])
  await consumer.disconnect()
}

async function withAdmin(kafka, work) {
  const admin = kafka.admin()
  await admin.connect()
  await work(admin)
  await admin.disconnect()
}

const committed = (kafka, { group, topic }) =>
  withAdmin(kafka, async (admin) => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: group, topics: [topic] })
    for (const { partition, offset, metadata } of partitions.sort((a, b) => a.partition - b.partition)) {
      if (offset !== '-1') say('committed', partition, offset, metadata || '-')
    }
  })

async function config(admin, topic, name) {
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }]
  const described = await admin.describeConfigs({ resources, includeSynonyms: false })
  return described.resources[0].configEntries.find((entry) => entry.configName === name).configValue
}

const partitions = async (admin, topic) => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length

const adminCreate = (kafka, { topic }) =>
  withAdmin(kafka, async (admin) => {
    const configEntries = [{ name: 'retention.ms', value: '3600000' }]
    const wanted = { topics: [{ topic, numPartitions: 2, replicationFactor: 1, configEntries }] }
    await admin.createTopics(wanted)
    say('partitions', await partitions(admin, topic))
    say('retention.ms', await config(admin, topic, 'retention.ms'))
    // KafkaJS knows the older way only, which sets everything that is not named back to its default.
    const changed = [...configEntries, { name: 'max.message.bytes', value: '2000000' }]
    await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: changed }] })
    say('max.message.bytes', await config(admin, topic, 'max.message.bytes'))
    say('retention.ms', await config(admin, topic, 'retention.ms'))
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    say('partitions', await partitions(admin, topic))
    // It answers `false` to error 36, TOPIC_ALREADY_EXISTS, and throws all others.
    if ((await admin.createTopics(wanted)) === false) say('error', 36)
  })

const adminDelete = (kafka, { topic, group }) =>
  withAdmin(kafka, async (admin) => {
    const listed = async () => (await admin.listGroups()).groups.some(({ groupId }) => groupId === group)
    // It asks for a topic's leaders only in the calls that look offsets up, not in the one that deletes records.
    await admin.fetchTopicOffsets(topic)
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '3' }] })
    say('start', (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0).low)
    say('listed', await listed())
    const described = (await admin.describeGroups([group])).groups[0]
    say('state', described.state, described.members.length)
    await admin.deleteGroups([group])
    say('listed', await listed())
    await admin.deleteTopics({ topics: [topic] })
    say('topic', (await admin.listTopics()).includes(topic))
  })

async function main() {
  const [verb, ...pairs] = process.argv.slice(2)
  const args = Object.fromEntries(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]))
  const kafka = new Kafka({
    clientId: 'tests',
    brokers: [args.bootstrap],
    logLevel: logLevel.NOTHING,
    retry: { retries: 30, initialRetryTime: 50, maxRetryTime: 500 },
  })
  const verbs = { produce, stream, consume, member, commit, committed, 'admin-create': adminCreate, 'admin-delete': adminDelete }
  await verbs[verb](kafka, args)
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
