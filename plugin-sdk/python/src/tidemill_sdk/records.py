"""Records as their authors see them."""

from __future__ import annotations

from typing import Iterable, NamedTuple, Optional, Tuple

#: A name, and a value or `None`.
Header = Tuple[str, Optional[bytes]]


class Record(NamedTuple):
    """A record. Parts that the plugin does not read are `None`."""

    key: Optional[bytes] = None
    value: Optional[bytes] = None
    #: In their encoding; see `headers`.
    encoded_headers: Optional[bytes] = None
    timestamp: Optional[int] = None

    @property
    def text(self) -> str:
        """The value as text; a record whose value is not UTF-8 is rejected where this is not caught."""
        return (self.value or b"").decode()

    @property
    def headers(self) -> list[Header]:
        """The headers, decoded when they are asked for."""
        return decode_headers(self.encoded_headers)


class Window(NamedTuple):
    """`start` is inside, `end` is not. Milliseconds since 1970-01-01 UTC."""

    start: int
    end: int


def decode_headers(encoded: Optional[bytes]) -> list[Header]:
    """From Kafka's encoding: a count, then for each a name and a value with their lengths before them."""
    if not encoded:
        return []
    number, at = _varint(encoded, 0)
    headers: list[Header] = []
    for _ in range(number):
        length, at = _varint(encoded, at)
        name, at = encoded[at:at + length].decode(), at + length
        length, at = _varint(encoded, at)
        if length < 0:
            headers.append((name, None))
            continue
        headers.append((name, encoded[at:at + length]))
        at += length
    return headers


def encode_headers(headers: Iterable[Header]) -> bytes:
    """Into Kafka's encoding."""
    all_headers = list(headers)
    out = bytearray(_zigzag(len(all_headers)))
    for name, value in all_headers:
        encoded = name.encode()
        out += _zigzag(len(encoded)) + encoded
        out += _zigzag(-1) if value is None else _zigzag(len(value)) + value
    return bytes(out)


def _varint(encoded: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = encoded[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7


def _zigzag(number: int) -> bytes:
    rest = (number << 1) ^ (number >> 63)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)
