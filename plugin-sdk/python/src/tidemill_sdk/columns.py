"""Columns of byte strings, as they cross the boundary: one buffer, and where each item ends.

Nothing here runs Python code for each item where it can be helped: slices, joins and sums are made by the
interpreter's own loops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, islice
from typing import Iterable, Optional, Protocol, Sequence


class ColumnLike(Protocol):
    """A column as the tool chain hands it over."""

    data: bytes
    offsets: Sequence[int]
    validity: bytes


@dataclass
class Column:
    """Item i is `data[offsets[i]:offsets[i + 1]]`; bit i of `validity` says whether it is present."""

    data: bytes = b""
    offsets: list[int] = field(default_factory=list)
    validity: bytes = b""


@dataclass
class Batch:
    """The records of a call. A column without items: no record has that part, or it is not read."""

    keys: Column = field(default_factory=Column)
    values: Column = field(default_factory=Column)
    headers: Column = field(default_factory=Column)
    timestamps: list[int] = field(default_factory=list)


def count(column: ColumnLike) -> int:
    """Number of items."""
    return max(len(column.offsets) - 1, 0)


def records_of(batch) -> int:
    """Number of records: that of the longest column, for one that is not read has no items."""
    return max(count(batch.keys), count(batch.values), count(batch.headers), len(batch.timestamps))


def slices(column: ColumnLike, data=None) -> list:
    """All items, an absent one as an empty one; of `data`, which is as long as the column's own."""
    offsets = column.offsets
    source = column.data if data is None else data
    return list(map(source.__getitem__, map(slice, offsets, islice(offsets, 1, None))))


def absent(column: ColumnLike) -> list[int]:
    """The indexes of absent items."""
    validity = column.validity
    if not validity:
        return []
    return [index for index in range(count(column)) if not validity[index >> 3] >> (index & 7) & 1]


def items(column: ColumnLike) -> list[Optional[bytes]]:
    """All items, an absent one as `None`."""
    found: list = slices(column)
    for index in absent(column):
        found[index] = None
    return found


def offsets_of(parts: Iterable) -> list[int]:
    """Where parts end that are joined."""
    return list(accumulate(map(len, parts), initial=0))


def column_of(parts: Sequence[Optional[bytes]]) -> Column:
    """A column of these items."""
    if None not in parts:
        return Column(b"".join(parts), offsets_of(parts))  # type: ignore[arg-type]
    present = [part is not None for part in parts]
    filled = [part or b"" for part in parts]
    return Column(b"".join(filled), offsets_of(filled), bitmap(present))


_DIGITS = bytes.maketrans(b"\x00\x01", b"01")


def bitmap(bits: Sequence[bool]) -> bytes:
    """Bit i, least significant first, is that of item i."""
    if not bits:
        return b""
    digits = bytes(bits)[::-1].translate(_DIGITS)
    return int(digits, 2).to_bytes((len(bits) + 7) // 8, "little")
