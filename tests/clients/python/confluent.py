"""confluent-kafka, that is librdkafka, the way its own examples use it."""

import itertools
import time

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from protocol import PAUSE_S, arguments, endless, records, say, say_record, start_of, told_to_leave


def producer_of(args, codec):
    return Producer({
        "bootstrap.servers": args["bootstrap"],
        "acks": "all",
        "enable.idempotence": args.get("idempotent") == "true",
        "compression.codec": codec,
        "linger.ms": int(args.get("linger", 5)),
        "retry.backoff.ms": 20,
        "reconnect.backoff.ms": 20,
        "reconnect.backoff.max.ms": 200,
    })


def delivered(error, message):
    if error is not None:
        raise KafkaException(error)
    say("sent", message.partition(), message.offset(), message.value().decode())


def stream(args):
    producer = producer_of(args, "none")
    for key, value, headers in endless("none"):
        if told_to_leave():
            break
        producer.produce(args["topic"], value, key, 0, headers=headers, on_delivery=delivered)
        producer.poll(PAUSE_S)
    left = producer.flush(120)
    if left:
        raise SystemExit(f"{left} records were not delivered")


def produce(args):
    for codec in args["codecs"].split(","):
        producer = producer_of(args, codec)
        partition = int(args.get("partition", -1))
        for key, value, headers in records(codec, args):
            producer.produce(args["topic"], value, key, partition, headers=headers, on_delivery=delivered)
            producer.poll(0)
        left = producer.flush(60)
        if left:
            raise SystemExit(f"{left} records were not delivered")


def say_message(message):
    if message.error():
        raise KafkaException(message.error())
    _, timestamp = message.timestamp()
    say_record(message.partition(), message.offset(), timestamp, message.key(), message.value(), message.headers())


def consume(args):
    consumer = Consumer({"bootstrap.servers": args["bootstrap"], "group.id": "unused", "enable.auto.commit": False})
    topic = args["topic"]
    known = consumer.list_topics(topic, timeout=30).topics[topic].partitions
    kind, number = start_of(args)
    if kind == "time":
        starts = consumer.offsets_for_times([TopicPartition(topic, p, number) for p in known], timeout=30)
    else:
        offset = {"earliest": OFFSET_BEGINNING, "latest": OFFSET_END}.get(kind, number)
        starts = [TopicPartition(topic, p, offset) for p in known]
    if kind == "latest":
        # Resolved now, not at some moment after `ready`.
        for start in starts:
            start.offset = consumer.get_watermark_offsets(start, timeout=30)[1]
    consumer.assign(starts)
    say("ready")
    for _ in range(int(args["count"])):
        message = consumer.poll(60)
        if message is None:
            raise SystemExit("no record came within 60 s")
        say_message(message)
    consumer.close()


def member(args):
    settings = {
        "bootstrap.servers": args["bootstrap"],
        "group.id": args["group"],
        "partition.assignment.strategy": "cooperative-sticky" if args.get("strategy") == "cooperative" else "range",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
    }
    if "instance" in args:
        settings["group.instance.id"] = args["instance"]
    consumer = Consumer(settings)
    owned = set()

    def say_owned():
        say("assigned", ",".join(str(partition) for partition in sorted(owned)) or "-")

    def assigned(_, partitions):
        owned.update(found.partition for found in partitions)
        say_owned()

    def revoked(_, partitions):
        owned.difference_update(found.partition for found in partitions)
        say_owned()

    consumer.subscribe([args["topic"]], on_assign=assigned, on_revoke=revoked, on_lost=revoked)
    while not told_to_leave():
        message = consumer.poll(0.2)
        if message is not None:
            say_message(message)
            consumer.commit(message, asynchronous=False)
    consumer.close()


def commit(args):
    consumer = Consumer({"bootstrap.servers": args["bootstrap"], "group.id": args["group"]})
    at = TopicPartition(args["topic"], int(args["partition"]), int(args["offset"]), args["metadata"])
    consumer.commit(offsets=[at], asynchronous=False)
    consumer.close()


def commits(args):
    """Commits 1, 2, 3 and so on, and says what was acknowledged."""
    consumer = Consumer({
        "bootstrap.servers": args["bootstrap"],
        "group.id": args["group"],
        "reconnect.backoff.max.ms": 200,
    })
    for offset in itertools.count(1):
        while not told_to_leave():
            try:
                consumer.commit(offsets=[TopicPartition(args["topic"], 0, offset)], asynchronous=False)
                say("committed", 0, offset, "-")
                break
            except KafkaException:
                time.sleep(PAUSE_S)
        else:
            break
    consumer.close()


def ends(args):
    consumer = Consumer({"bootstrap.servers": args["bootstrap"], "group.id": "unused"})
    for partition in consumer.list_topics(args["topic"], timeout=30).topics[args["topic"]].partitions:
        _, end = consumer.get_watermark_offsets(TopicPartition(args["topic"], partition), timeout=30)
        say("end", partition, end)
    consumer.close()


def topics(args):
    """Creates and deletes as many topics, 100 a request."""
    admin = AdminClient({"bootstrap.servers": args["bootstrap"]})
    names = [f"{args['topic']}-{number}" for number in range(int(args["count"]))]
    for part in (names[at : at + 100] for at in range(0, len(names), 100)):
        if "partitions" in args:
            wanted = [NewTopic(name, int(args["partitions"]), 1) for name in part]
            for created in admin.create_topics(wanted, request_timeout=60).values():
                created.result()
        if args.get("delete") == "true":
            for deleted in admin.delete_topics(part, request_timeout=60).values():
                deleted.result()


def committed(args):
    admin = AdminClient({"bootstrap.servers": args["bootstrap"]})
    asked = [ConsumerGroupTopicPartitions(args["group"])]
    offsets = admin.list_consumer_group_offsets(asked)[args["group"]].result().topic_partitions
    for at in sorted(offsets, key=lambda at: at.partition):
        say("committed", at.partition, at.offset, metadata(at))


def metadata(at):
    """What a commit said of itself, and maybe more: the binding reads a C string, and librdkafka keeps no zero at its
    end (its issue 4649), so that what lies behind it in memory is read too, where it is text or not."""
    try:
        read = at.metadata or "-"
    except UnicodeDecodeError as unreadable:
        read = unreadable.object.decode(errors="replace")
    return read.splitlines()[0]


def config(admin, topic, name):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return admin.describe_configs([resource])[resource].result()[name].value


def partitions(admin, topic):
    return len(admin.list_topics(topic, timeout=30).topics[topic].partitions)


def admin_create(args):
    admin, topic = AdminClient({"bootstrap.servers": args["bootstrap"]}), args["topic"]
    wanted = NewTopic(topic, num_partitions=2, replication_factor=1, config={"retention.ms": "3600000"})
    admin.create_topics([wanted])[topic].result()
    say("partitions", partitions(admin, topic))
    say("retention.ms", config(admin, topic, "retention.ms"))
    entry = ConfigEntry("max.message.bytes", "2000000", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    admin.incremental_alter_configs([change])[change].result()
    say("max.message.bytes", config(admin, topic, "max.message.bytes"))
    say("retention.ms", config(admin, topic, "retention.ms"))
    admin.create_partitions([NewPartitions(topic, 4)])[topic].result()
    say("partitions", partitions(admin, topic))
    try:
        admin.create_topics([wanted])[topic].result()
    except KafkaException as error:
        say("error", error.args[0].code())


def groups(admin):
    return [found.group_id for found in admin.list_consumer_groups().result().valid]


def admin_delete(args):
    admin, topic, group = AdminClient({"bootstrap.servers": args["bootstrap"]}), args["topic"], args["group"]
    before = TopicPartition(topic, 0, 3)
    admin.delete_records([before])[before].result()
    partition = TopicPartition(topic, 0)
    say("start", admin.list_offsets({partition: OffsetSpec.earliest()})[partition].result().offset)
    say("listed", group in groups(admin))
    described = admin.describe_consumer_groups([group])[group].result()
    say("state", described.state.name.capitalize(), len(described.members))
    admin.delete_consumer_groups([group])[group].result()
    say("listed", group in groups(admin))
    admin.delete_topics([topic])[topic].result()
    say("topic", topic in admin.list_topics(timeout=30).topics)


if __name__ == "__main__":
    verb, args = arguments()
    globals()[verb.replace("-", "_")](args)
