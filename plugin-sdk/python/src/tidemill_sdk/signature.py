"""What an author's function wants of a record, from the names and annotations of its parameters.

`Inputs` turns a batch into one list for each parameter, so that the function can be driven by `map`. Text is
decoded for the whole batch at once where it is ASCII.
"""

from __future__ import annotations

import inspect
import types
from typing import Any, Callable, Iterator, Optional, Union, get_args, get_origin, get_type_hints

from .columns import count, items, records_of, slices
from .records import Header, Record, decode_headers

#: A part's parameter, and the batch's column.
COLUMNS = {"key": "keys", "value": "values", "headers": "headers", "timestamp": "timestamps"}


class Inputs:
    """The parameters of a function that are parts of a record, in their order."""

    def __init__(self, function: Callable, skip: int, reads: tuple[str, ...], known: tuple[str, ...]) -> None:
        hints = get_type_hints(function)
        self.parts: list[tuple[str, Any]] = []
        self.settings: Optional[type] = None
        self.reads = set(reads)
        for name in list(inspect.signature(function).parameters)[skip:]:
            if name == "settings":
                if self.parts:
                    raise TypeError(f"`settings` has to be the first parameter of `{function.__name__}`")
                self.settings = hints.get(name)
                if self.settings is None:
                    raise TypeError("`settings` has to be annotated with its dataclass")
                continue
            if name not in known:
                raise TypeError(f"`{function.__name__}` has a parameter `{name}`; known are {', '.join(known)}")
            self.parts.append((name, _form(name, hints.get(name))))
            if name in COLUMNS:
                self.reads.add(name)
        unknown = self.reads - set(COLUMNS)
        if unknown:
            raise TypeError(f"`reads` names `{min(unknown)}`; the parts of a record are {', '.join(COLUMNS)}")
        if any(name == "record" for name, _ in self.parts) and not self.reads:
            raise TypeError("with a parameter `record`, say which parts it has: `reads=(\"key\", \"value\")`")

    def lists(self, batch) -> list[list]:
        """One list for each parameter. Raises `UnicodeDecodeError` where text is none."""
        number = records_of(batch)
        return [_list(batch, name, form, number) for name, form in self.parts]

    def one_by_one(self, batch) -> Iterator[Callable[[], list]]:
        """The arguments of each record, to be made one record at a time."""
        number = records_of(batch)
        raw = [_list(batch, name, bytes if form is str else Optional[bytes] if form == Optional[str] else form, number)
               for name, form in self.parts]
        decoded = [form is str or form == Optional[str] for _, form in self.parts]
        for index in range(number):
            yield lambda index=index: [
                values[index].decode() if text and values[index] is not None else values[index]
                for values, text in zip(raw, decoded)
            ]


def _form(name: str, hint: Any) -> Any:
    """`bytes`, `str` or either with `None`; what is not annotated is `bytes`."""
    if name in ("record", "headers", "timestamp", "window"):
        return name
    if hint is None or hint is Any:
        return bytes
    if get_origin(hint) in (Union, types.UnionType):
        hint = Union[tuple(sorted(get_args(hint), key=str))]
    for form in (bytes, str, Optional[bytes], Optional[str]):
        if hint == form:
            return form
    raise TypeError(f"parameter `{name}` is annotated {hint!r}: `bytes`, `str` or either with `| None` expected")


def _list(batch, name: str, form: Any, number: int) -> list:
    if name == "record":
        return _records(batch, number)
    if name == "timestamp":
        return list(batch.timestamps) or [None] * number
    column = getattr(batch, COLUMNS[name])
    if name == "headers":
        encoded = items(column) or [None] * number
        return list(map(decode_headers, encoded))
    if not count(column):
        return [None if form in (Optional[bytes], Optional[str]) else form()] * number
    if form is bytes:
        return slices(column)
    if form == Optional[bytes]:
        return items(column)
    texts = _texts(column)
    if form == Optional[str] and column.validity:
        return [None if item is None else text for item, text in zip(items(column), texts)]
    return texts


def _texts(column) -> list[str]:
    if column.data.isascii():
        return slices(column, column.data.decode("ascii"))
    return list(map(bytes.decode, slices(column)))


def _records(batch, number: int) -> list[Record]:
    none = [None] * number
    columns = (batch.keys, batch.values, batch.headers)
    parts = [items(column) if count(column) else none for column in columns]
    return list(map(Record, *parts, batch.timestamps or none))
