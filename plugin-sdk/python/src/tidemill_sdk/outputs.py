"""What an author's function gives back, and the columns that it becomes.

A function returns or yields `bytes` or `str` (a record with that value; the rest stays as it was), `Out` for
more, `None` for nothing, or several of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain, compress
from typing import Any, Iterable, NamedTuple, Optional, Sequence, Union

from .columns import Batch, Column, column_of, items, offsets_of, records_of
from .failures import Fatal
from .plugin import Description
from .records import Header, encode_headers


class _Keep:
    """The part stays what it is in the input record."""

    def __repr__(self) -> str:
        return "KEEP"


KEEP = _Keep()


class Out(NamedTuple):
    """A record to emit. What is not set stays what it is in the input record; `None` makes it absent."""

    value: Union[bytes, str, None, _Keep] = KEEP
    key: Union[bytes, str, None, _Keep] = KEEP
    headers: Union[Iterable[Header], None, _Keep] = KEEP
    timestamp: Union[int, _Keep] = KEEP
    #: Name of the output port; the first one by default.
    port: Optional[str] = None


@dataclass
class Outcome:
    """What a call over a batch of records gives back, as the contract has it."""

    emitted: Batch = field(default_factory=Batch)
    counts: list[int] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    rejected: list[tuple[int, str]] = field(default_factory=list)


def outcome_of(results: Sequence, rejected: list[tuple[int, str]], batch, plugin: Description) -> Outcome:
    """Columns of what a function gave back for each record, in order."""
    flat, counts = _flatten(results)
    outcome = Outcome(counts=counts, rejected=rejected)
    kinds = set(map(type, flat))
    if kinds <= {bytes}:
        outcome.emitted.values = _values(flat, kinds)
    elif kinds == {str}:
        outcome.emitted.values = _texts(flat)
    else:
        _columns(outcome, [out if type(out) is Out else Out(content_of(out)) for out in flat], batch, plugin)
    return outcome


def _flatten(results: Sequence) -> tuple[Sequence, list[int]]:
    """The emitted records, and how many there are of each input record; no counts where it is one each."""
    kinds = set(map(type, results))
    if kinds <= {bytes} or kinds <= {str} or kinds <= {Out}:
        return results, []
    if kinds <= {list, tuple}:
        return list(chain.from_iterable(results)), list(map(len, results))
    if kinds <= {bytes, str, Out, type(None)}:
        present = [result is not None for result in results]
        return list(compress(results, present)), list(map(int, present))
    lists = [_as_list(result) for result in results]
    return list(chain.from_iterable(lists)), list(map(len, lists))


def _as_list(result: Any) -> Sequence:
    if result is None:
        return ()
    if isinstance(result, (bytes, str, bytearray, memoryview, Out)):
        return (result,)
    try:
        return list(result)
    except TypeError:
        raise Fatal(f"a plugin returns bytes, str, Out, None or several of them, not {type(result).__name__}") from None


def content_of(part: Any) -> Optional[bytes]:
    """A part of a record as bytes."""
    kind = type(part)
    if kind is bytes or part is None:
        return part
    if kind is str:
        return part.encode()
    if isinstance(part, (bytearray, memoryview)):
        return bytes(part)
    raise Fatal(f"a part of a record is bytes, str or None, not {kind.__name__}")


def _values(flat: Sequence, kinds: set) -> Column:
    # Nothing was emitted: a column without items means the same.
    return Column(b"".join(flat), offsets_of(flat)) if kinds else Column()


def _texts(flat: Sequence[str]) -> Column:
    joined = "".join(flat)
    if joined.isascii():
        return Column(joined.encode("ascii"), offsets_of(flat))
    return column_of(list(map(str.encode, flat)))


def _columns(outcome: Outcome, outs: list[Out], batch, plugin: Description) -> None:
    sources = _Sources(outcome.counts, len(outs), plugin.reads)
    emitted, records = outcome.emitted, records_of(batch)
    emitted.values = _part("value", [out.value for out in outs], batch.values, records, sources)
    emitted.keys = _part("key", [out.key for out in outs], batch.keys, records, sources)
    headers = [out.headers if out.headers is KEEP or out.headers is None else encode_headers(out.headers) for out in outs]
    emitted.headers = _part("headers", headers, batch.headers, records, sources)
    emitted.timestamps = _timestamps([out.timestamp for out in outs], batch.timestamps, sources)
    if any(out.port is not None for out in outs):
        numbers = {name: number for number, name in enumerate(plugin.ports)}
        outcome.ports = [_port(out.port, numbers) for out in outs]


class _Sources:
    """The input record of each emitted one."""

    def __init__(self, counts: list[int], outs: int, reads: set[str]) -> None:
        self._counts, self._outs, self._reads = counts, outs, reads

    def need(self, name: str) -> None:
        """Some records keep this part: it has to be read."""
        if name not in self._reads:
            raise Fatal(
                f"some records set their {name} and others keep it, but the plugin does not read it: "
                f"set it for all, or add `{name}` to `reads`"
            )

    def indexes(self) -> Iterable[int]:
        if not self._counts:
            return range(self._outs)
        return chain.from_iterable([index] * number for index, number in enumerate(self._counts))


def _part(name: str, parts: list, column, records: int, sources: _Sources) -> Column:
    kept = parts.count(KEEP)
    if kept == len(parts):
        return Column()
    if kept:
        sources.need(name)
        # No item at all: no record has this part.
        given = items(column) or [None] * records
        parts = [given[source] if part is KEEP else part for part, source in zip(parts, sources.indexes())]
    return column_of(list(map(content_of, parts)))


def _timestamps(timestamps: list, given: Sequence[int], sources: _Sources) -> list[int]:
    kept = timestamps.count(KEEP)
    if kept == len(timestamps):
        return []
    if kept:
        sources.need("timestamp")
        return [given[source] if at is KEEP else at for at, source in zip(timestamps, sources.indexes())]
    return timestamps


def _port(name: Optional[str], numbers: dict[str, int]) -> int:
    if name is None:
        return 0
    if name not in numbers:
        raise Fatal(f"there is no port `{name}`; the plugin has {', '.join(numbers) or 'none by name'}")
    return numbers[name]
