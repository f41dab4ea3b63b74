"""What a client program is told and what it prints; the README beside it lists both."""

import itertools
import select
import sys


def arguments():
    """The verb, and the name=value pairs behind it."""
    return sys.argv[1], dict(pair.split("=", 1) for pair in sys.argv[2:])


def say(*words):
    print(*words, flush=True)


def text(data):
    return "-" if data is None else data.decode()


def say_record(partition, offset, timestamp, key, value, headers):
    pairs = ",".join(f"{name}={text(content)}" for name, content in headers or [])
    say("record", partition, offset, timestamp, text(key), text(value), pairs or "-")


# Between two records of a stream.
PAUSE_S = 0.005


def endless(codec, first=0):
    """Keys, values and headers of records without end."""
    for number in itertools.count(first):
        value = f"{codec}-{number}:" + "abcdefghij" * 10
        headers = [("codec", codec.encode()), ("number", str(number).encode())]
        yield f"key-{number}".encode(), value.encode(), headers


def records(codec, args):
    """Keys, values and headers of the records to produce."""
    return itertools.islice(endless(codec, int(args.get("first", 0))), int(args["count"]))


def told_to_leave():
    """Whether the test asked this member to leave: a line, or the end, on standard input."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


def start_of(args):
    """`earliest`, `latest`, `offset:N` or `time:MS` as a kind and a number."""
    kind, _, number = args["from"].partition(":")
    return kind, int(number or 0)
