"""Runs plugins natively, over records and without a host, as a host would run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, NamedTuple, Optional, Union

from .columns import Batch, Column, column_of, count, items
from .filtering import Filter
from .records import Header, Record, Window, decode_headers, encode_headers
from .reducing import ReducerPlugin
from .signature import COLUMNS
from .transforming import Transform

#: Bytes and text stand for a record with that value.
RecordLike = Union[bytes, str, Record]


class Emitted(NamedTuple):
    """A record that a transform emitted, with what it inherited."""

    key: Optional[bytes]
    value: Optional[bytes]
    headers: list[Header]
    timestamp: int
    port: str


@dataclass
class Ran:
    """What a transform made of records."""

    emitted: list[Emitted]
    #: Index of the record, and why.
    rejected: list[tuple[int, str]]

    @property
    def values(self) -> list[Optional[bytes]]:
        return [record.value for record in self.emitted]

    @property
    def keys(self) -> list[Optional[bytes]]:
        return [record.key for record in self.emitted]


def record(
    value: Union[bytes, str, None] = None,
    key: Union[bytes, str, None] = None,
    headers: Optional[Iterable[Header]] = None,
    timestamp: int = 0,
) -> Record:
    """A record to run a plugin over."""
    encoded = None if headers is None else encode_headers(headers)
    return Record(_bytes(key), _bytes(value), encoded, timestamp)


def run(plugin: Transform, records: Iterable[RecordLike], **settings) -> Ran:
    """Runs a transform over records, with these parameters."""
    whole = batch(records)
    plugin.configure(settings)
    outcome = plugin.process(_read_by(plugin, whole))
    counts = outcome.counts or [1] * len(whole.timestamps)
    sources = [index for index, number in enumerate(counts) for _ in range(number)]

    def part(emitted: Column, given: Column) -> list:
        if count(emitted):
            return items(emitted)
        inherited = items(given)
        return [inherited[source] if inherited else None for source in sources]

    out = outcome.emitted
    times = out.timestamps or [whole.timestamps[source] for source in sources]
    names = plugin.description.ports or ["out"]
    parts = zip(part(out.keys, whole.keys), part(out.values, whole.values), part(out.headers, whole.headers), times,
                outcome.ports or [0] * len(sources))
    emitted = [Emitted(key, value, decode_headers(headers), at, names[port]) for key, value, headers, at, port in parts]
    return Ran(emitted, outcome.rejected)


def kept(plugin: Filter, records: Iterable[RecordLike], **settings) -> list[Record]:
    """The records that a filter keeps."""
    all_records = [_record(given) for given in records]
    plugin.configure(settings)
    bits = plugin.keep(_read_by(plugin, batch(all_records)))
    return [given for index, given in enumerate(all_records) if bits[index >> 3] >> (index & 7) & 1]


def reduce(
    plugin: ReducerPlugin, records: Iterable[RecordLike], window: Optional[Window] = None, **settings
) -> dict[Optional[bytes], Optional[bytes]]:
    """The value of each key, running totals over all records (or those of one window)."""
    plugin.configure(settings)
    groups = _Groups(plugin, records)
    accumulators = groups.fold(0, len(groups.groups), groups.new())
    windows = [window] * len(groups.keys) if window else []
    finished = plugin.finish(column_of(groups.keys), windows, accumulators)
    return dict(zip(groups.keys, items(finished.values)))


def check_reducer(plugin: ReducerPlugin, records: Iterable[RecordLike], **settings) -> None:
    """Cuts the records at every place, folds the parts and merges, and compares with one fold; then tries
    both orders of association. Raises `AssertionError` with the cut that gave another result."""
    plugin.configure(settings)
    groups = _Groups(plugin, records)
    number = len(groups.groups)

    def folded(start: int, end: int) -> Column:
        return groups.fold(start, end, groups.new())

    whole = folded(0, number)
    for cut in range(number + 1):
        merged = plugin.merge(folded(0, cut), folded(cut, number))
        assert merged == whole, f"merging the folds of records 0..{cut} and {cut}..{number} is not their fold"
        continued = groups.fold(cut, number, folded(0, cut))
        assert continued == whole, f"folding 0..{cut} and going on with {cut}..{number} is not their fold"
        a, c = cut // 2, (cut + number) // 2
        parts = folded(0, a), folded(a, cut), folded(cut, c)
        left = plugin.merge(plugin.merge(parts[0], parts[1]), parts[2])
        right = plugin.merge(parts[0], plugin.merge(parts[1], parts[2]))
        assert left == right, f"merging 0..{a}, {a}..{cut} and {cut}..{c} is not associative"


def migrated(plugin: ReducerPlugin, states: Iterable[Union[bytes, str]], from_version: int, **settings) -> list[bytes]:
    """The accumulators, as they are kept, that a reducer makes of those that an older version wrote."""
    plugin.configure(settings)
    column = plugin.migrate(from_version, column_of([_bytes(state) for state in states]))
    return [item or b"" for item in items(column)]


def batch(records: Iterable[RecordLike]) -> Batch:
    """Records as columns."""
    all_records = [_record(given) for given in records]

    def column(part: int) -> Column:
        parts = [given[part] for given in all_records]
        return Column() if all(given is None for given in parts) else column_of(parts)

    return Batch(column(0), column(1), column(2), [given.timestamp or 0 for given in all_records])


def _read_by(plugin, whole: Batch) -> Batch:
    """What the plugin reads of it, as the host does; timestamps show how many records there are."""
    read = {column: getattr(whole, column) for part, column in COLUMNS.items() if part in plugin.description.reads}
    read.setdefault("timestamps", whole.timestamps)
    return Batch(**read)


class _Groups:
    """Records by their keys, in the order of first occurrence."""

    def __init__(self, plugin: ReducerPlugin, records: Iterable[RecordLike]) -> None:
        self.plugin = plugin
        self.records = [_record(given) for given in records]
        self.keys: list[Optional[bytes]] = list(dict.fromkeys(given.key for given in self.records))
        self.groups = [self.keys.index(given.key) for given in self.records]

    def new(self) -> Column:
        return column_of([None] * len(self.keys))

    def fold(self, start: int, end: int, accumulators: Column) -> Column:
        part = _Items(self.groups[start:end], batch(self.records[start:end]), self.plugin.description.reads)
        return self.plugin.fold(part, accumulators)


class _Items:
    """Records as a reducer gets them."""

    def __init__(self, groups: list[int], whole: Batch, reads: set[str]) -> None:
        self.groups = groups
        self.values = whole.values if "value" in reads else Column()
        self.timestamps = whole.timestamps if "timestamp" in reads else []


def _record(given: RecordLike) -> Record:
    return given if isinstance(given, Record) else record(given)


def _bytes(content: Union[bytes, str, None]) -> Optional[bytes]:
    return content.encode() if isinstance(content, str) else content
