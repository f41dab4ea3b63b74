import random

import pytest

from tidemill_sdk import Bytes, Float, Int, Json, Reducer, Struct, Text, Window, filter, reducer
from tidemill_sdk.columns import Column, bitmap, column_of, items
from tidemill_sdk.testing import check_reducer, kept, migrated, record, reduce


@reducer
class longest(Reducer[dict]):
    """The longest value of each key."""

    def zero(self):
        return {"text": "", "seen": 0}

    def fold(self, seen, value: str):
        text = value if len(value) > len(seen["text"]) else seen["text"]
        return {"text": text, "seen": seen["seen"] + 1}

    def merge(self, seen, later):
        text = later["text"] if len(later["text"]) > len(seen["text"]) else seen["text"]
        return {"text": text, "seen": seen["seen"] + later["seen"]}

    def finish(self, seen, key: str, window):
        return f"{key}: {seen['text']} of {seen['seen']}" + (f" since {window.start}" if window else "")


RECORDS = [record(value, key=key) for key, value in [("k", "a"), ("l", "é"), ("k", "ccc"), ("k", "dd"), ("l", "")]]


def test_records_are_folded_by_their_keys():
    assert reduce(longest, RECORDS) == {b"k": b"k: ccc of 3", b"l": "l: é of 2".encode()}
    assert reduce(longest, RECORDS[:1], Window(5, 9)) == {b"k": b"k: a of 1 since 5"}


def test_any_cut_gives_the_same_and_a_wrong_merge_is_found():
    check_reducer(longest, RECORDS)

    @reducer
    class wrong(Counter):
        """Forgets the later part."""

        def merge(self, seen, later):
            return seen

    with pytest.raises(AssertionError, match="merging the folds"):
        check_reducer(wrong, RECORDS)


class Counter(Reducer[int]):
    """Counts."""

    codec = Int()

    def zero(self):
        return 0

    def fold(self, seen):
        return seen + 1

    def merge(self, seen, later):
        return seen + later

    def finish(self, seen):
        return str(seen) if seen > 2 else None


def test_nothing_has_to_be_read_to_count_and_a_value_can_be_absent():
    plugin = reducer(Counter)
    assert plugin.description.reads == set()
    assert reduce(plugin, RECORDS) == {b"k": b"3", b"l": None}
    check_reducer(plugin, RECORDS)


def test_values_and_timestamps_together():
    @reducer
    class last(Reducer[tuple]):
        """The last value by time."""

        def zero(self):
            return [-1, ""]

        def fold(self, seen, timestamp: int, value: str):
            return max(seen, [timestamp, value])

        def merge(self, seen, later):
            return max(seen, later)

        def finish(self, seen):
            return seen[1]

    assert reduce(last, [record("b", key="k", timestamp=2), record("a", key="k", timestamp=1)]) == {b"k": b"b"}


@pytest.mark.parametrize(
    "codec, accumulators",
    [
        (Json(), [{"a": [1, "é", None]}, 2, "x"]),
        (Struct("<Qd"), [(1, 0.5), (2**64 - 1, -1.0)]),
        (Int(), [0, -(2**63), 5]),
        (Float(), [0.0, 1e300]),
        (Bytes(), [b"", b"\xff"]),
        (Text(), ["", "é"]),
    ],
)
def test_accumulators_are_read_back(codec, accumulators):
    for some in (accumulators, []):
        column = codec.encode_all(some)
        assert list(codec.decode_all(column)) == some
    assert [codec.decode(codec.encode(one)) for one in accumulators] == accumulators


def test_a_struct_that_depends_on_the_machine_is_refused():
    with pytest.raises(ValueError, match="begin it with `<`"):
        Struct("Q")


def test_columns_and_bitmaps_of_any_length():
    generator = random.Random(7)
    for length in range(40):
        parts = [generator.choice([None, b"", b"a", b"longer"]) for _ in range(length)]
        assert items(column_of(parts)) == parts
        bits = [generator.random() < 0.5 for _ in range(length)]
        encoded = bitmap(bits)
        assert len(encoded) == (length + 7) // 8
        assert [bool(encoded[i >> 3] >> (i & 7) & 1) for i in range(length)] == bits
    assert items(Column()) == []


def test_a_filter_keeps_what_it_says():
    @filter
    def has(value: bytes) -> bool:
        """Keeps lines with an e."""
        return b"e" in value

    lines = [f"{'e' if index % 3 == 0 else ''}{index}" for index in range(20)]
    assert [each.value.decode() for each in kept(has, lines)] == [line for line in lines if "e" in line]


def test_accumulators_of_older_versions_are_rewritten():
    @reducer
    class younger(Counter):
        """Counts, and once kept texts."""

        state_version = 2

        def migrate(self, state: bytes, from_version: int) -> int:
            if from_version != 1:
                raise ValueError(f"no version {from_version}")
            return int(state)

    assert younger.migrates
    assert migrated(younger, ["3", b"40"], 1) == [Int().encode(3), Int().encode(40)]
    with pytest.raises(ValueError, match="no version 0"):
        migrated(younger, ["3"], 0)

    @reducer
    class plain(Counter):
        """Counts."""

    assert not plain.migrates
