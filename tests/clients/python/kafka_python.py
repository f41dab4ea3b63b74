"""kafka-python, the way its own documentation uses it."""

import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from protocol import PAUSE_S, arguments, endless, records, say, say_record, start_of, told_to_leave


def produce(args):
    for codec in args["codecs"].split(","):
        producer = KafkaProducer(
            bootstrap_servers=args["bootstrap"],
            acks="all",
            enable_idempotence=args.get("idempotent") == "true",
            compression_type=None if codec == "none" else codec,
            linger_ms=int(args.get("linger", 5)),
            retry_backoff_ms=20,
            reconnect_backoff_ms=20,
        )
        partition = int(args["partition"]) if "partition" in args else None
        sent = [
            (value, producer.send(args["topic"], value, key=key, headers=headers, partition=partition))
            for key, value, headers in records(codec, args)
        ]
        for value, future in sent:
            result = future.get(timeout=60)
            say("sent", result.partition, result.offset, value.decode())
        producer.close()


def stream(args):
    producer = KafkaProducer(
        bootstrap_servers=args["bootstrap"],
        acks="all",
        enable_idempotence=args.get("idempotent") == "true",
        delivery_timeout_ms=300_000,
        retry_backoff_ms=20,
        reconnect_backoff_ms=20,
        reconnect_backoff_max_ms=200,
    )

    def delivered(value, result):
        say("sent", result.partition, result.offset, value.decode())

    for key, value, headers in endless("none"):
        if told_to_leave():
            break
        sent = producer.send(args["topic"], value, key=key, headers=headers, partition=0)
        sent.add_callback(delivered, value)
        time.sleep(PAUSE_S)
    producer.flush(timeout=120)
    producer.close()


def consume(args):
    consumer = KafkaConsumer(bootstrap_servers=args["bootstrap"])
    partitions = [TopicPartition(args["topic"], p) for p in sorted(consumer.partitions_for_topic(args["topic"]))]
    consumer.assign(partitions)
    kind, number = start_of(args)
    if kind == "earliest":
        consumer.seek_to_beginning(*partitions)
    elif kind == "latest":
        consumer.seek_to_end(*partitions)
    elif kind == "offset":
        for partition in partitions:
            consumer.seek(partition, number)
    else:
        for partition, found in consumer.offsets_for_times({p: number for p in partitions}).items():
            if found:
                consumer.seek(partition, found.offset)
            else:
                consumer.seek_to_end(partition)
    for partition in partitions:
        consumer.position(partition)
    say("ready")
    for _ in range(int(args["count"])):
        record = next(consumer)
        say_record(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)
    consumer.close()


class Assignment(ConsumerRebalanceListener):
    def __init__(self, consumer):
        self.consumer = consumer

    def on_partitions_revoked(self, revoked):
        if revoked:
            self.say_owned(self.consumer.assignment() - set(revoked))

    def on_partitions_assigned(self, assigned):
        self.say_owned(self.consumer.assignment())

    @staticmethod
    def say_owned(owned):
        say("assigned", ",".join(str(partition.partition) for partition in sorted(owned)) or "-")


def member(args):
    strategy = CooperativeStickyAssignor if args.get("strategy") == "cooperative" else RangePartitionAssignor
    consumer = KafkaConsumer(
        bootstrap_servers=args["bootstrap"],
        group_id=args["group"],
        group_instance_id=args.get("instance"),
        partition_assignment_strategy=[strategy],
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
    )
    consumer.subscribe([args["topic"]], listener=Assignment(consumer))
    while not told_to_leave():
        batch = [record for polled in consumer.poll(timeout_ms=200).values() for record in polled]
        for record in batch:
            say_record(record.partition, record.offset, record.timestamp, record.key, record.value, record.headers)
        if batch:
            consumer.commit()
    consumer.close()


def commit(args):
    consumer = KafkaConsumer(bootstrap_servers=args["bootstrap"], group_id=args["group"], enable_auto_commit=False)
    partition = TopicPartition(args["topic"], int(args["partition"]))
    consumer.assign([partition])
    consumer.commit({partition: OffsetAndMetadata(int(args["offset"]), args["metadata"], -1)})
    consumer.close()


def committed(args):
    admin = KafkaAdminClient(bootstrap_servers=args["bootstrap"])
    offsets = admin.list_group_offsets({args["group"]: None})[args["group"]]
    for partition, at in sorted(offsets.items()):
        say("committed", partition.partition, at.offset, at.metadata or "-")
    admin.close()


def retention(admin, topic, name):
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    configs = admin.describe_configs([resource], config_filter="all")
    return str(configs["topic"][topic][name]["value"])


def admin_create(args):
    admin, topic = KafkaAdminClient(bootstrap_servers=args["bootstrap"]), args["topic"]
    wanted = {topic: {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "3600000"}}}
    admin.create_topics(wanted, wait_for_metadata=True)
    say("partitions", len(admin.describe_topics([topic])[0]["partitions"]))
    say("retention.ms", retention(admin, topic, "retention.ms"))
    change = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": "2000000"})
    admin.alter_configs([change])
    say("max.message.bytes", retention(admin, topic, "max.message.bytes"))
    say("retention.ms", retention(admin, topic, "retention.ms"))
    admin.create_partitions({topic: 4})
    admin.wait_for_topics([topic])
    say("partitions", len(admin.describe_topics([topic])[0]["partitions"]))
    try:
        admin.create_topics(wanted)
    except KafkaError as error:
        say("error", error.errno)
    admin.close()


def admin_delete(args):
    admin, topic, group = KafkaAdminClient(bootstrap_servers=args["bootstrap"]), args["topic"], args["group"]
    partition = TopicPartition(topic, 0)
    admin.delete_records({partition: 3})
    say("start", admin.list_partition_offsets({partition: OffsetSpec.EARLIEST})[partition].offset)
    say("listed", group in [found["group_id"] for found in admin.list_groups()])
    described = admin.describe_groups([group])[group]
    say("state", described["group_state"], len(described["members"]))
    admin.delete_groups([group])
    say("listed", group in [found["group_id"] for found in admin.list_groups()])
    admin.delete_topics([topic])
    say("topic", topic in admin.list_topics())
    admin.close()


if __name__ == "__main__":
    verb, args = arguments()
    globals()[verb.replace("-", "_")](args)
