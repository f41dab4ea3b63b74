"""What a reducer keeps for a key, as bytes.

**The encoding is part of a plugin's state version**: when it changes, raise `state_version`.
"""

from __future__ import annotations

import json
import struct
from itertools import starmap
from typing import Any, Generic, Iterable, Sequence, TypeVar

from .columns import Column, column_of, slices

A = TypeVar("A")


class Codec(Generic[A]):
    """Turns accumulators into bytes and back."""

    def encode(self, accumulator: A) -> bytes:
        raise NotImplementedError

    def decode(self, encoded: bytes) -> A:
        raise NotImplementedError

    def encode_all(self, accumulators: Sequence[A]) -> Column:
        """A column of all of them."""
        return column_of(list(map(self.encode, accumulators)))

    def decode_all(self, column) -> Sequence[A]:
        """All of a column, of which none is absent."""
        return list(map(self.decode, slices(column)))


class Json(Codec[Any]):
    """Anything that JSON can write: numbers, text, lists, dictionaries with text as keys."""

    _write = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

    def encode(self, accumulator: Any) -> bytes:
        return Json._write(accumulator).encode()

    def decode(self, encoded: bytes) -> Any:
        return json.loads(encoded)


class Struct(Codec[tuple]):
    """A tuple of numbers in the form that the module `struct` writes: `Struct("<QQd")`. The fastest one."""

    def __init__(self, form: str) -> None:
        if not form.startswith(("<", ">", "!", "=")):
            raise ValueError(f"`{form}` depends on the machine: begin it with `<`")
        self._struct = struct.Struct(form)

    def encode(self, accumulator: tuple) -> bytes:
        return self._struct.pack(*accumulator)

    def decode(self, encoded: bytes) -> tuple:
        return self._struct.unpack(encoded)

    def encode_all(self, accumulators: Sequence[tuple]) -> Column:
        size = self._struct.size
        data = b"".join(starmap(self._struct.pack, accumulators))
        return Column(data, list(range(0, len(data) + 1, size)))

    def decode_all(self, column) -> Sequence[tuple]:
        offsets, size = column.offsets, self._struct.size
        if offsets == list(range(0, len(column.data) + 1, size)):
            return list(self._struct.iter_unpack(column.data))
        return super().decode_all(column)


class _Single(Struct):
    """One number."""

    def encode(self, accumulator: Any) -> bytes:
        return self._struct.pack(accumulator)

    def decode(self, encoded: bytes) -> Any:
        return self._struct.unpack(encoded)[0]

    def encode_all(self, accumulators: Sequence) -> Column:
        return super().encode_all(list(zip(accumulators)))

    def decode_all(self, column) -> Sequence:
        return [number if type(number) is not tuple else number[0] for number in super().decode_all(column)]


class Int(_Single):
    """A whole number of 64 bits."""

    def __init__(self) -> None:
        super().__init__("<q")


class Float(_Single):
    """A number."""

    def __init__(self) -> None:
        super().__init__("<d")


class Bytes(Codec[bytes]):
    """Bytes as they are."""

    def encode(self, accumulator: bytes) -> bytes:
        return accumulator

    def decode(self, encoded: bytes) -> bytes:
        return encoded


class Text(Codec[str]):
    """Text."""

    def encode(self, accumulator: str) -> bytes:
        return accumulator.encode()

    def decode(self, encoded: bytes) -> str:
        return encoded.decode()
