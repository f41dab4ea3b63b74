"""Typed parameters: a dataclass whose fields a pipeline can set.

    @dataclass
    class Settings:
        length_min: Annotated[int, Doc("Leave out words with fewer letters.")] = 5
        invalid: Annotated[Literal["fail", "skip"], Doc("What to do with a value that is no number.")] = "fail"

A field without a default has to be set. What is made of the fields once (a compiled pattern) belongs into
`__post_init__`; a `ValueError` there is shown to the person who applied the pipeline.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Mapping, Optional, Union, get_args, get_origin, get_type_hints

Value = Union[str, int, float, bool]

#: Kinds as the contract calls them.
_KINDS: dict[type, str] = {str: "text", int: "integer", float: "number", bool: "boolean"}
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True)
class Doc:
    """What people read about a parameter."""

    text: str


@dataclass(frozen=True)
class Parameter:
    """A parameter as it is described."""

    name: str
    kind: str
    default: Optional[Value]
    doc: str
    choices: tuple[str, ...] = ()

    def read(self, value: Value) -> Value:
        """The value, if it is of this parameter."""
        if self.kind == "number" and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if _KINDS.get(type(value)) != self.kind:
            raise ValueError(f"parameter `{self.name}`: {self.kind} expected, not {value!r}")
        if self.choices and value not in self.choices:
            known = ", ".join(f"`{choice}`" for choice in self.choices)
            raise ValueError(f"parameter `{self.name}`: `{value}` is not one of {known}")
        return value


class Parameters:
    """The parameters of a plugin, from the dataclass that holds them."""

    def __init__(self, settings: Optional[type]) -> None:
        self.settings = settings
        self.all: list[Parameter] = []
        if settings is None:
            return
        if not dataclasses.is_dataclass(settings):
            raise TypeError(f"the settings `{settings.__name__}` have to be a dataclass")
        hints = get_type_hints(settings, include_extras=True)
        self.all = [_parameter(field, hints[field.name]) for field in dataclasses.fields(settings) if field.init]

    def read(self, values: Mapping[str, Value]) -> Any:
        """The settings object; every parameter without a default has to be in `values`."""
        unknown = set(values) - {parameter.name for parameter in self.all}
        if unknown:
            raise ValueError(f"there is no parameter `{min(unknown)}`")
        if self.settings is None:
            return None
        read = {}
        for parameter in self.all:
            value = values.get(parameter.name, parameter.default)
            if value is None:
                raise ValueError(f"parameter `{parameter.name}` is not set")
            read[parameter.name] = parameter.read(value)
        return self.settings(**read)


def _parameter(field: dataclasses.Field, hint: Any) -> Parameter:
    doc, kind, choices = "", hint, ()
    if get_origin(hint) is Annotated:
        kind, *notes = get_args(hint)
        texts = [note.text if isinstance(note, Doc) else note for note in notes if isinstance(note, (Doc, str))]
        doc = " ".join(texts)
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        doc = f"{doc} One of {', '.join(f'`{choice}`' for choice in choices)}.".strip()
        kind = str
    if kind not in _KINDS or not all(isinstance(choice, str) for choice in choices):
        raise TypeError(f"parameter `{field.name}` is {kind!r}: str, int, float, bool or a Literal of texts expected")
    if not _NAME.fullmatch(field.name):
        raise TypeError(f"parameter `{field.name}`: lower case expected, words joined by `_`")
    if field.default_factory is not dataclasses.MISSING:
        raise TypeError(f"parameter `{field.name}`: a plain default expected, for people have to see it")
    default = None if field.default is dataclasses.MISSING else field.default
    parameter = Parameter(field.name, _KINDS[kind], default, doc, choices)
    if default is not None:
        default = parameter.read(default)
    return dataclasses.replace(parameter, default=default)
