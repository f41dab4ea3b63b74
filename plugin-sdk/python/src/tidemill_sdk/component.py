"""The exports of a component, for the entry module that `tidemill plugin build` writes.

Only there do the modules `wit_world` and `componentize_py_types` exist.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from componentize_py_types import Err  # type: ignore[import-not-found]
from wit_world.exports import definition  # type: ignore[import-not-found]
from wit_world.imports import types  # type: ignore[import-not-found]

from . import grants
from .columns import Batch, Column
from .failures import Fatal, Retryable, explain
from .filtering import Filter
from .plugin import Plugin
from .reducing import ReducerPlugin
from .transforming import Transform

grants.in_component = True
grant = grants.grant

_KINDS = {
    "text": (definition.ParameterKind.TEXT, definition.ParameterValue_Text),
    "integer": (definition.ParameterKind.INTEGER, definition.ParameterValue_Integer),
    "number": (definition.ParameterKind.NUMBER, definition.ParameterValue_Number),
    "boolean": (definition.ParameterKind.BOOLEAN, definition.ParameterValue_Boolean),
}
_PARTS = {
    "key": definition.Parts.KEYS,
    "value": definition.Parts.VALUES,
    "headers": definition.Parts.HEADERS,
    "timestamp": definition.Parts.TIMESTAMPS,
}


def transform(plugin: Any, name: str, version: str) -> SimpleNamespace:
    """The exports of the world `transform`."""
    _check(plugin, Transform, "transform")

    class Transformer:
        def process(self, records):
            outcome = _guarded(plugin.process, records)
            return types.Outcome(
                _batch(outcome.emitted), outcome.counts, outcome.ports,
                [types.Rejection(index, reason) for index, reason in outcome.rejected],
            )

    return SimpleNamespace(Definition=_definition(plugin, name, version), Transformer=Transformer)


def filter(plugin: Any, name: str, version: str) -> SimpleNamespace:
    """The exports of the world `filter`."""
    _check(plugin, Filter, "filter")

    class Predicate:
        def keep(self, records):
            return _guarded(plugin.keep, records)

    return SimpleNamespace(Definition=_definition(plugin, name, version), Predicate=Predicate)


def reducer(plugin: Any, name: str, version: str, migrates: bool) -> SimpleNamespace:
    """The exports of the world `reducer`."""
    _check(plugin, ReducerPlugin, "reducer")
    if plugin.migrates != migrates:
        raise TypeError("a reducer has a method `migrate` where tidemill-plugin.toml says `migrates = true`, and only there")

    class Reduction:
        def fold(self, records, accumulators):
            return _column(_guarded(plugin.fold, records, accumulators))

        def merge(self, left, right):
            return _column(_guarded(plugin.merge, left, right))

        def finish(self, keys, windows, accumulators):
            return _batch(_guarded(plugin.finish, keys, windows, accumulators))

    class Migration:
        def migrate(self, from_version, states):
            return _column(_guarded(plugin.migrate, from_version, states))

    return SimpleNamespace(Definition=_definition(plugin, name, version), Reduction=Reduction, Migration=Migration)


def _check(plugin: Any, kind: type, world: str) -> None:
    if not isinstance(plugin, kind):
        raise TypeError(f"`plugin` in src/plugin.py is no {world}, as tidemill-plugin.toml says: decorate it with `@{world}`")


def _definition(plugin: Plugin, name: str, version: str) -> type:
    described = plugin.description
    reads = definition.Parts(0)
    for part in described.reads:
        reads |= _PARTS[part]
    parameters = []
    for parameter in described.parameters:
        kind, value = _KINDS[parameter.kind]
        default = None if parameter.default is None else value(parameter.default)
        parameters.append(definition.Parameter(parameter.name, kind, default, parameter.doc))

    class Definition:
        def describe(self):
            return definition.Description(
                name, version, described.summary, parameters, reads, described.ports, described.state_version
            )

        def configure(self, settings):
            try:
                plugin.configure({setting.name: setting.value.value for setting in settings})
            except Exception as error:
                raise Err(str(error) if isinstance(error, ValueError) else explain(error)) from None

    return Definition


def _guarded(function: Any, *arguments: Any) -> Any:
    """Errors of the call as a whole, in the contract's words."""
    try:
        return function(*arguments)
    except Retryable as error:
        raise Err(types.Failure_Retryable(str(error))) from None
    except MemoryError:
        # The instance cannot be used any more.
        raise
    except Exception as error:
        raise Err(types.Failure_Fatal(explain(error))) from None


def _column(column: Column) -> Any:
    return types.Column(column.data, column.offsets, column.validity)


def _batch(batch: Batch) -> Any:
    return types.Batch(_column(batch.keys), _column(batch.values), _column(batch.headers), batch.timestamps)
