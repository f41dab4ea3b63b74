"""Filters: keep or drop each record, without copying any."""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterable, Optional

from .columns import bitmap, records_of
from .failures import Fatal
from .plugin import Plugin
from .signature import COLUMNS, Inputs


class Filter(Plugin):
    """A filter; `@filter` makes it of a function."""

    def __init__(self, function: Callable, reads: tuple[str, ...] = ()) -> None:
        self.inputs = Inputs(function, 0, reads, (*COLUMNS, "record", "settings"))
        super().__init__(function, self.inputs.settings, self.inputs.reads)
        self.function = function
        self._bound = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself."""
        return self.function(*args, **kwargs)

    def prepare(self, settings: Any) -> None:
        self._bound = self.function if settings is None else functools.partial(self.function, settings)

    def keep(self, batch) -> bytes:
        """A bitmap: bit i, least significant first, is set where record i is kept."""
        if not self.inputs.parts:
            raise Fatal("the function takes no part of a record")
        kept = list(map(bool, map(self._bound, *self.inputs.lists(batch))))
        if len(kept) < records_of(batch):
            raise Fatal(f"the function raised StopIteration at record {len(kept)}")
        return bitmap(kept)


def filter(function: Optional[Callable] = None, *, reads: Iterable[str] = ()) -> Any:
    """Makes a filter of a function that says whether a record is kept; its docstring says what it does.

    There are no rejections here: an exception fails the call.
    """
    if function is not None:
        return Filter(function)
    return lambda function: Filter(function, tuple(reads))
