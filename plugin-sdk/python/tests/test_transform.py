from dataclasses import dataclass
from typing import Annotated, Literal, Optional

import pytest

from tidemill_sdk import Doc, Fatal, Out, Record, Reject, Retryable, log, metrics, reject, transform
from tidemill_sdk.columns import items
from tidemill_sdk.testing import batch, record, run


@transform
def upper(value: str):
    """Folds to upper case."""
    return value.upper()


def test_text_in_text_out():
    texts = ["a", "", "straße", "é", "漢字 😀"]
    assert run(upper, texts).values == [text.upper().encode() for text in texts]


def test_what_is_not_read_stays_as_it_is():
    headers = [("h", b"\x01\x02"), ("none", None)]
    (out,) = run(upper, [record("a", key="K", headers=headers, timestamp=7)]).emitted
    assert out == (b"K", b"A", headers, 7, "out")


def test_a_value_that_is_no_text_rejects_its_record_alone():
    ran = run(upper, ["a", b"\xff", "é"])
    assert ran.values == [b"A", "É".encode()]
    ((index, reason),) = ran.rejected
    assert index == 1 and "utf-8" in reason


def test_no_records_and_absent_values():
    assert run(upper, []).emitted == []

    @transform
    def echo(value: Optional[bytes]):
        """Echo."""
        return Out(value=value)

    ran = run(echo, [record(None, key="a"), record("", key="b")])
    assert ran.values == [None, b""]
    assert run(echo, [record(None, key="a")]).values == [None]

    @transform
    def or_none(value: str | None):
        """Says what it got."""
        return repr(value)

    assert run(or_none, [record(None), "x"]).values == [b"None", b"'x'"]


def test_one_none_and_several():
    @transform(reads=("key", "timestamp"), ports=("out", "odd"))
    def kinds(value: str):
        """All kinds of results."""
        for letter in value:
            if letter == "s":
                yield letter
            elif letter == "b":
                yield bytearray(b"b")
            elif letter == "o":
                yield Out(value="o", key="key", timestamp=5, port="odd")
            elif letter == "x":
                reject("no x")

    ran = run(kinds, [record("sbo", key="k"), "", "sx", record("s", timestamp=1)])
    shown = [(out.key, out.value, out.timestamp, out.port) for out in ran.emitted]
    assert shown == [
        (b"k", b"s", 0, "out"), (b"k", b"b", 0, "out"), (b"key", b"o", 5, "odd"), (None, b"s", 1, "out"),
    ]
    assert ran.rejected == [(2, "no x")]


@pytest.mark.parametrize(
    "results, counts, values",
    [
        ([b"a", b"b"], [1, 1], [b"a", b"b"]),
        (["a", "é"], [1, 1], [b"a", "é".encode()]),
        ([None, b"b"], [0, 1], [b"b"]),
        ([None, None], [0, 0], []),
        ([[b"a", b"b"], ()], [2, 0], [b"a", b"b"]),
        (["a", b"b"], [1, 1], [b"a", b"b"]),
        ([iter(["a"]), "b"], [1, 1], [b"a", b"b"]),
        ([[], []], [0, 0], []),
    ],
)
def test_results_of_every_form(results, counts, values):
    remaining = iter(results)

    @transform
    def plugin(value: bytes):
        """Gives back what the table says."""
        return next(remaining)

    plugin.configure({})
    outcome = plugin.process(batch(["x"] * len(results)))
    assert items(outcome.emitted.values) == values
    assert (outcome.counts or [1] * len(results)) == counts
    assert outcome.rejected == []


def test_an_iterator_that_ends_early_ends_no_batch():
    @transform
    def plugin(value: bytes):
        """Takes from nothing."""
        return next(iter(())) if value == b"bad" else value

    ran = run(plugin, ["a", "bad", "b"])
    assert ran.values == [b"a", b"b"]
    assert ran.rejected[0][0] == 1 and ran.rejected[0][1].startswith("StopIteration")


def test_errors_of_a_record_and_of_the_call():
    def failing(error):
        @transform
        def plugin(value: bytes):
            """Fails."""
            if value == b"bad":
                raise error
            return value

        return plugin

    ran = run(failing(ZeroDivisionError("by zero")), ["a", "bad", "b", "bad"])
    assert ran.values == [b"a", b"b"]
    assert [index for index, _ in ran.rejected] == [1, 3]
    assert ran.rejected[0][1].startswith("ZeroDivisionError: by zero (test_transform.py:")
    with pytest.raises(Fatal):
        run(failing(Fatal("all")), ["bad"])
    with pytest.raises(Retryable):
        run(failing(Retryable("later")), ["bad"])
    assert run(failing(Reject("no")), ["bad"]).rejected == [(0, "no")]


def test_a_part_that_only_some_records_set_has_to_be_read():
    def some(**arguments):
        @transform(**arguments)
        def plugin(value: str):
            """Sets some keys."""
            return Out(key="new") if value == "a" else Out(value=value)

        return plugin

    records = [record("a", key="k"), record("b", key="l")]
    with pytest.raises(Fatal, match="add `key` to `reads`"):
        run(some(), records)
    assert run(some(reads=("key",)), records).keys == [b"new", b"l"]
    assert run(some(reads=("key",)), ["a", "b"]).keys == [b"new", None]
    with pytest.raises(Fatal, match="no port `x`"):
        run(transform(ports=("a",))(_to_port_x), ["a"])


def _to_port_x(value: bytes):
    """Sends to a port that there is not."""
    return Out(value=value, port="x")


def test_a_whole_record_with_headers():
    @transform(reads=("key", "value", "headers", "timestamp"))
    def whole(record: Record):
        """Shows all of it."""
        return f"{record.key!r} {record.text} {record.headers} {record.timestamp}"

    ran = run(whole, [record("v", key="k", headers=[("h", b"1")], timestamp=3), record("w")])
    assert ran.values == [b"b'k' v [('h', b'1')] 3", b"None w [] 0"]


def test_headers_and_timestamps_as_parameters():
    @transform
    def both(headers, timestamp: int):
        """Counts headers."""
        return f"{len(headers)} {timestamp}"

    assert both.description.reads == {"headers", "timestamp"}
    assert run(both, [record("v", headers=[("h", None)] * 200, timestamp=3)]).values == [b"200 3"]


@dataclass
class Settings:
    at_least: Annotated[int, Doc("How many.")]
    ratio: float = 1
    mode: Annotated[Literal["fail", "skip"], Doc("What to do.")] = "fail"

    def __post_init__(self):
        if self.at_least < 0:
            raise ValueError("at_least must not be negative")


@transform
def configured(settings: Settings, value: str):
    """Shows its settings."""
    return f"{settings.mode} {settings.at_least} {settings.ratio}"


def test_parameters_are_typed_checked_and_prepared():
    assert run(configured, ["a"], at_least=2).values == [b"fail 2 1.0"]
    for settings, told in [
        ({}, "`at_least` is not set"),
        ({"at_least": "x"}, "integer expected"),
        ({"at_least": True}, "integer expected"),
        ({"at_least": -1}, "must not be negative"),
        ({"at_least": 1, "mode": "ask"}, "`ask` is not one of `fail`, `skip`"),
        ({"at_least": 1, "more": 1}, "no parameter `more`"),
    ]:
        with pytest.raises(ValueError, match=told):
            run(configured, ["a"], **settings)
    at_least, ratio, mode = configured.description.parameters
    assert (at_least.default, ratio.default, mode.default) == (None, 1.0, "fail")
    assert mode.doc == "What to do. One of `fail`, `skip`."


def test_a_wrong_definition_is_refused_where_it_stands():
    def undocumented(value):
        return value

    def unknown(val):
        """x"""

    def unread(record):
        """x"""

    def wrong_form(value: int):
        """x"""

    for function, told in [
        (undocumented, "docstring"), (unknown, "parameter `val`"), (unread, "reads"), (wrong_form, "annotated"),
    ]:
        with pytest.raises(TypeError, match=told):
            transform(function)
    with pytest.raises(TypeError, match="port `Bad`"):
        transform(ports=("Bad",))(_to_port_x)
    with pytest.raises(TypeError, match="reads"):
        transform(reads=("values",))(_to_port_x)


def test_what_is_logged_and_counted_is_remembered():
    @transform
    def noisy(value: str):
        """Logs."""
        log.info(value)
        metrics.count("seen", 2, kind="a")
        metrics.gauge("level", 1.5)

    assert run(noisy, ["hello"]).emitted == []
    assert log.messages[-1] == ("info", "hello")
    assert metrics.counters[("seen", ("kind", "a"))] == 2
    assert metrics.gauges[("level",)] == 1.5
