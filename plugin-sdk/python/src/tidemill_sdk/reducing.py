"""Reducers: one accumulator for each key (and window), folded, merged and finished.

**`merge` must be associative, and folding records must equal merging the folds of any cut of them that keeps
their order.** The host folds parts of a batch on many cores and relies on it; `testing.check_reducer` tries it.
"""

from __future__ import annotations

import inspect
from typing import Any, Generic, Optional, Sequence, TypeVar

from .codecs import Codec, Json
from .columns import Batch, Column, absent, column_of, count, items, slices
from .failures import Fatal
from .outputs import content_of
from .plugin import Plugin
from .records import Window
from .signature import Inputs

A = TypeVar("A")


class Reducer(Generic[A]):
    """A reducer. `fold` takes `value`, `timestamp` or both after the accumulator, as its parameters are
    called and annotated; `finish` takes `key`, `window` or both. With settings, `__init__(self, settings)`.
    """

    #: How accumulators are kept.
    codec: Codec[Any] = Json()
    #: Rises when accumulators are written in another form than before.
    state_version: int = 0

    def zero(self) -> A:
        """What a key without records has. A new one for each call, if it can be changed."""
        raise NotImplementedError

    #: def fold(self, accumulator: A, value: bytes) -> A: adds a record, and gives the accumulator back.
    fold: Any

    def merge(self, accumulator: A, later: A) -> A:
        """Adds what was folded from the records that came after those of `accumulator`."""
        raise NotImplementedError

    #: def finish(self, accumulator: A, key: bytes, window: Window | None) -> bytes | str | None: a record's value.
    finish: Any

    #: def migrate(self, state: bytes, from_version: int) -> A: the accumulator of this version, of one that was
    #: written under an older `state_version`. tidemill-plugin.toml has to say `migrates = true`. An error leaves the
    #: older version running.
    migrate: Any = None


class ReducerPlugin(Plugin):
    """A reducer as a plugin; `@reducer` makes it of a class."""

    def __init__(self, reducer: type[Reducer]) -> None:
        takes_settings = "settings" in inspect.signature(reducer.__init__).parameters
        settings = Inputs(reducer.__init__, 1, (), ("settings",)).settings if takes_settings else None
        self._folds = Inputs(reducer.fold, 2, (), ("value", "timestamp"))
        self._finishes = Inputs(reducer.finish, 2, (), ("key", "window"))
        super().__init__(reducer, settings, self._folds.reads, state_version=reducer.state_version)
        self.reducer = reducer
        self._codec: Codec[Any] = reducer.codec
        self._made: Optional[Reducer] = None if takes_settings else reducer()

    def prepare(self, settings: Any) -> None:
        self._made = self.reducer() if settings is None else self.reducer(settings)  # type: ignore[call-arg]

    def fold(self, records, accumulators) -> Column:
        """Folds records into the accumulators, one for each group; an absent one belongs to a new group."""
        made = self._ready()
        folded, fold = self._decode(accumulators), made.fold
        groups = records.groups
        if not self._folds.parts:
            for group in groups:
                folded[group] = fold(folded[group])
            return self._codec.encode_all(folded)
        lists = self._folds.lists(_Items(records))
        if len(lists) == 1:
            for group, part in zip(groups, lists[0]):
                folded[group] = fold(folded[group], part)
        else:
            for group, parts in zip(groups, zip(*lists)):
                folded[group] = fold(folded[group], *parts)
        return self._codec.encode_all(folded)

    def merge(self, left, right) -> Column:
        """Merges item by item; the records of `right` come later."""
        made, codec = self._ready(), self._codec
        pairs = zip(codec.decode_all(left), codec.decode_all(right))
        return codec.encode_all([made.merge(accumulator, later) for accumulator, later in pairs])

    def finish(self, keys, windows: Sequence, accumulators) -> Batch:
        """Makes a record of each group."""
        made = self._ready()
        decoded = self._codec.decode_all(accumulators)
        none: list = [None] * len(decoded)
        parts = {"window": [Window(window.start, window.end) for window in windows] or none}
        if any(name == "key" for name, _ in self._finishes.parts):
            key = Inputs.lists(_only_key(self._finishes), Batch(keys=keys, timestamps=[0] * len(decoded)))
            parts["key"] = key[0]
        chosen = zip(decoded, *(parts[name] for name, _ in self._finishes.parts))
        values = [content_of(made.finish(*arguments)) for arguments in chosen]
        return Batch(values=column_of(values) if values else Column())

    @property
    def migrates(self) -> bool:
        """Whether it reads accumulators of older forms."""
        return self.reducer.migrate is not None

    def migrate(self, from_version: int, states) -> Column:
        """Rewrites accumulators that were written under an older `state_version`, item for item."""
        made = self._ready()
        return self._codec.encode_all([made.migrate(state, from_version) for state in slices(states)])

    def _decode(self, accumulators) -> list:
        new = absent(accumulators)
        if not new:
            return list(self._codec.decode_all(accumulators))
        made, codec = self._ready(), self._codec
        return [made.zero() if item is None else codec.decode(item) for item in items(accumulators)]

    def _ready(self) -> Reducer:
        if self._made is None:
            raise Fatal("the reducer was called before it was configured")
        return self._made


class _Items:
    """A reducer's records as a batch: without keys, which belong to the groups."""

    def __init__(self, records) -> None:
        self.keys = self.headers = Column()
        self.values, self.timestamps = records.values, records.timestamps
        if not count(records.values) and not records.timestamps:
            # Nobody has a value: the groups say how many records there are.
            self.timestamps = [0] * len(records.groups)


def _only_key(inputs: Inputs) -> Inputs:
    only = Inputs.__new__(Inputs)
    only.parts = [part for part in inputs.parts if part[0] == "key"]
    return only


def reducer(reducer: type[Reducer]) -> ReducerPlugin:
    """Makes a plugin of a class that derives from `Reducer`; its docstring says what it does."""
    return ReducerPlugin(reducer)
