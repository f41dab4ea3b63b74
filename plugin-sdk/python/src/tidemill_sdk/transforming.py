"""Transforms: any number of records from each record."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, Iterable, Optional

from .columns import records_of
from .failures import Fatal, Retryable, explain
from .outputs import Outcome, outcome_of
from .plugin import Plugin
from .signature import COLUMNS, Inputs

#: These are no matter of one record.
_OF_THE_CALL = (Fatal, Retryable, MemoryError)


class Transform(Plugin):
    """A transform; `@transform` makes it of a function."""

    def __init__(self, function: Callable, reads: tuple[str, ...] = (), ports: tuple[str, ...] = ()) -> None:
        self.inputs = Inputs(function, 0, reads, (*COLUMNS, "record", "settings"))
        super().__init__(function, self.inputs.settings, self.inputs.reads, ports)
        self.function = function
        self._bound = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself."""
        return self.function(*args, **kwargs)

    def prepare(self, settings: Any) -> None:
        self._bound = self.function if settings is None else functools.partial(self.function, settings)

    def process(self, batch) -> Outcome:
        """Runs the function over the records of a call."""
        rejected: list[tuple[int, str]] = []
        results: list = []
        calls, number = self._calls(batch), records_of(batch)
        while len(results) < number:
            try:
                # The interpreter's own loop. What was done before an error stays in the list.
                results.extend(calls)
                if len(results) < number:
                    raise StopIteration
            except _OF_THE_CALL:
                raise
            except Exception as error:
                rejected.append((len(results), explain(error)))
                results.append(None)
        return outcome_of(results, rejected, batch, self.description)

    def _calls(self, batch) -> Iterable:
        """An iterator that runs the function for one record after the other."""
        if not self.inputs.parts:
            raise Fatal("the function takes no part of a record")
        try:
            calls: Iterable = map(self._bound, *self.inputs.lists(batch))
        except UnicodeDecodeError:
            # Some record is no text: each is decoded alone, so that only that one is rejected.
            calls = map(lambda arguments: self._bound(*arguments()), self.inputs.one_by_one(batch))
        # A generator runs when it is read: here, so that its errors are those of its record.
        return map(list, calls) if inspect.isgeneratorfunction(self.function) else calls


def transform(
    function: Optional[Callable] = None, *, reads: Iterable[str] = (), ports: Iterable[str] = ()
) -> Any:
    """Makes a transform of a function; its docstring says what it does.

    The function returns or yields `bytes` or `str` (a record with that value), `Out`, several of them, or
    `None`. An exception that it raises rejects the record. `ports` names the outputs, which `Out(port=…)`
    chooses from; `reads` names parts beyond those that the function takes, for `record` and for `Out`.
    """
    if function is not None:
        return Transform(function)
    return lambda function: Transform(function, tuple(reads), tuple(ports))
