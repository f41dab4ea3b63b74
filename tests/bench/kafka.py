#!/usr/bin/env python3
"""Kafka 4.1.1 and Tidemill side by side: the same clients, the same durability, one after the other in one run.

Both sync each batch to the disk before they acknowledge it: Tidemill always does, Kafka with `flush.messages=1`.

    tests/clients/install.sh && cargo build --release
    ~/.cache/tidemill/tools/clients/python/bin/python tests/bench/kafka.py [--smoke] [--only tidemill] [--binary FILE]

The ratio is Tidemill's gain: above 1 it is the faster or the smaller one.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

TOOLS = pathlib.Path(os.environ.get("TIDEMILL_TOOLS", pathlib.Path.home() / ".cache/tidemill/tools"))
JARS = f"{TOOLS}/clients/java/tools/*"
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path(__file__).parents[2] / "target"))
START_TIMEOUT_S = 120


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port):
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


class Server:
    """A process with a data folder, which both end with the measurement."""

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_FOLDER")))
        self.port = free_port()
        started = time.monotonic()
        self.process = self.start()
        wait_for(self.port)
        self.start_s = time.monotonic() - started
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    def resident_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


class Tidemill(Server):
    name = "tidemill"
    topic_config = {}

    def __init__(self, binary):
        self.binary = binary

    def start(self):
        args = [self.binary, "serve", "--http", "127.0.0.1:0", "--kafka", self.bootstrap, "--data", self.folder]
        return subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Kafka(Server):
    name = "kafka"
    topic_config = {"flush.messages": "1"}

    def start(self):
        controller = free_port()
        settings = self.folder / "server.properties"
        settings.write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://{self.bootstrap},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{self.bootstrap}
controller.listener.names=CONTROLLER
log.dirs={self.folder}/log
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
""")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        storage = ["java", "-cp", JARS, "kafka.tools.StorageTool", "format", "-t", "dGlkZW1pbGwtYmVuY2gtMQ", "-c", settings]
        subprocess.run(storage, check=True, **quiet)
        # The heap that Kafka's own start script gives it.
        return subprocess.Popen(["java", "-Xmx1G", "-Xms1G", "-cp", JARS, "kafka.Kafka", settings], **quiet)


def create(server, topic):
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1, config=server.topic_config)])[topic].result(60)
    time.sleep(1)


def performance(server, topic, records, size, throughput, settings=()):
    """Kafka's own ProducerPerformance, with acks=all: records a second, and the 99th percentile in milliseconds."""
    create(server, topic)
    args = ["--topic", topic, "--num-records", str(records), "--record-size", str(size), "--throughput", str(throughput)]
    props = [f"bootstrap.servers={server.bootstrap}", "acks=all", *settings]
    tool = "org.apache.kafka.tools.ProducerPerformance"
    ran = subprocess.run(
        ["java", "-cp", JARS, tool, *args, "--producer-props", *props], capture_output=True, text=True, check=True
    )
    last = ran.stdout.strip().splitlines()[-1]
    return float(re.search(r"([\d.,]+) records/sec", last)[1].replace(",", "")), float(re.search(r"([\d.]+) ms 99th", last)[1])


def load(server, topic, records):
    """Fills a topic through librdkafka, lines of 104 bytes."""
    create(server, topic)
    producer = Producer({"bootstrap.servers": server.bootstrap, "linger.ms": 50, "queue.buffering.max.messages": 1000000})
    line = b"a line of words that is a hundred and four bytes long ".ljust(104, b".")
    for _ in range(records):
        while True:
            try:
                producer.produce(topic, line)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(300)


def consume(server, topic, records):
    """Records a second through librdkafka, from the first to the last."""
    consumer = Consumer({"bootstrap.servers": server.bootstrap, "group.id": "bench", "queued.min.messages": 1000000})
    consumer.assign([TopicPartition(topic, 0, 0)])
    started, left = time.monotonic(), records
    while left > 0:
        left -= len(consumer.consume(10000, timeout=30))
    took = time.monotonic() - started
    consumer.close()
    return records / took


def measure(server, smoke):
    scale = 20 if smoke else 1
    performance(server, "warm", 100_000 // scale, 100, -1)
    small, _ = performance(server, "small", 2_000_000 // scale, 100, -1)
    large, _ = performance(server, "large", 200_000 // scale, 1024, -1)
    _, p99 = performance(server, "paced", 20_000 // scale, 100, 1000, ["linger.ms=0"])
    load(server, "lines", 2_000_000 // scale)
    consume(server, "lines", 100_000 // scale)
    return {
        "produce 100 B, records/s": small,
        "produce 1 KiB, records/s": large,
        "1,000 records/s, linger 0, p99 ms": p99,
        "consume with librdkafka, records/s": consume(server, "lines", 2_000_000 // scale),
        "resident after that, MiB": server.resident_mib(),
        "start to listening, s": server.start_s,
    }


# What is better when it is smaller.
SMALLER = ("p99", "resident", "start")


def print_table(results):
    names = list(results)
    print(f"{'':38}" + "".join(f"{name:>14}" for name in names) + f"{'ratio':>9}")
    for figure in next(iter(results.values())):
        values = [results[name][figure] for name in names]
        line = f"{figure:38}" + "".join(f"{value:14,.1f}" for value in values)
        if len(values) == 2:
            kafka, tidemill = values
            smaller = any(word in figure for word in SMALLER)
            line += f"{kafka / tidemill if smaller else tidemill / kafka:9.2f}"
        print(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a twentieth of the work: shows that it runs, measures nothing")
    parser.add_argument("--only", choices=["kafka", "tidemill"], help="one side")
    parser.add_argument("--binary", default=TARGET / "release/tidemill", help="Tidemill's binary")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    args = parser.parse_args()
    results = {}
    for server in (Kafka(), Tidemill(args.binary)):
        if args.only in (None, server.name):
            with server:
                results[server.name] = measure(server, args.smoke)
    if args.output == "json":
        print(json.dumps(results, indent=2))
    else:
        print_table(results)


if __name__ == "__main__":
    main()
