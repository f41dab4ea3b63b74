#!/usr/bin/env python3
"""Kafka 4.1.1 and Tidemill side by side: the same clients, the same durability, figure by figure in one run.

Both sync each batch to the disk before they acknowledge it: Tidemill always does, Kafka with `flush.messages=1`.

    tests/clients/install.sh && cargo build --release
    ~/.cache/tidemill/tools/clients/python/bin/python tests/bench/kafka.py [--smoke] [--rounds 3] [--binary FILE]

The ratio is Tidemill's gain: above 1 it is the faster or the smaller one.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
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
    """Records a second through librdkafka as it is set up by default, from the first to the last."""
    consumer = Consumer({"bootstrap.servers": server.bootstrap, "group.id": "bench"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    started, left = time.monotonic(), records
    while left > 0:
        left -= len(consumer.consume(10000, timeout=30))
    took = time.monotonic() - started
    consumer.close()
    return records / took


def fill_and_consume(server, topic, records):
    load(server, topic, records)
    # Once before it counts: a client's first fetches also wake the server's pages.
    consume(server, topic, records // 20)
    return consume(server, topic, records)


# Each figure, and how it is measured with a topic of its own and a share of the records.
FIGURES = {
    "produce 100 B, records/s": lambda server, topic, share: performance(server, topic, 2_000_000 // share, 100, -1)[0],
    "produce 1 KiB, records/s": lambda server, topic, share: performance(server, topic, 200_000 // share, 1024, -1)[0],
    # Long enough that what waits while the client starts is below the last hundredth.
    "1,000 records/s, linger 0, p99 ms": lambda server, topic, share: performance(
        server, topic, 60_000 // share, 100, 1000, ["linger.ms=0"]
    )[1],
    "consume with librdkafka, records/s": lambda server, topic, share: fill_and_consume(server, topic, 2_000_000 // share),
    "resident after that, MiB": lambda server, topic, share: server.resident_mib(),
    "start to listening, s": lambda server, topic, share: server.start_s,
}


def measure(servers, share, rounds, wanted):
    """Each figure is taken from one server and at once from the other, so that both see the same machine."""
    for server in servers:
        performance(server, "warm", 100_000 // share, 100, -1)
    results = {server.name: {} for server in servers}
    for number, (figure, take) in enumerate(FIGURES.items()):
        if wanted not in figure:
            continue
        taken = {server.name: [] for server in servers}
        for turn in range(rounds):
            for server in servers:
                taken[server.name].append(take(server, f"t{number}-{turn}", share))
        for name, each in taken.items():
            results[name][figure] = statistics.median(each)
            print(f"{name}: {figure}: {', '.join(f'{one:,.1f}' for one in each)}", file=sys.stderr)
    return results


# What is better when it is smaller.
SMALLER = ("p99", "resident", "start")


def print_table(results):
    names = list(results)
    print(f"{'':38}" + "".join(f"{name:>14}" for name in names) + f"{'ratio':>9}")
    for figure in results[names[0]]:
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
    parser.add_argument("--share", type=int, default=1, help="a third of the work with 3, and so on")
    parser.add_argument("--figure", default="", help="only the figures with this in their names")
    parser.add_argument("--rounds", type=int, default=1, help="the median of so many")
    parser.add_argument("--only", choices=["kafka", "tidemill"], help="one side")
    parser.add_argument("--binary", default=TARGET / "release/tidemill", help="Tidemill's binary")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")
    args = parser.parse_args()
    with contextlib.ExitStack() as running:
        both = [server for server in (Kafka(), Tidemill(args.binary)) if args.only in (None, server.name)]
        servers = [running.enter_context(server) for server in both]
        results = measure(servers, 20 if args.smoke else args.share, args.rounds, args.figure)
    if args.output == "json":
        print(json.dumps(results, indent=2))
    else:
        print_table(results)


if __name__ == "__main__":
    main()
