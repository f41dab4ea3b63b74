"""What every kind of plugin has: a description, and settings."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, Mapping, Optional

from .parameters import Parameter, Parameters, Value

_PORT = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Description:
    """Who a plugin is and what it can be told; its name and version are the project's."""

    summary: str
    parameters: list[Parameter]
    reads: set[str]
    ports: list[str]
    state_version: int


class Plugin:
    """Base of the three kinds."""

    def __init__(
        self,
        documented: Any,
        settings: Optional[type],
        reads: set[str],
        ports: tuple[str, ...] = (),
        state_version: int = 0,
    ) -> None:
        doc = inspect.getdoc(documented) or ""
        summary = " ".join(doc.split("\n\n")[0].split())
        if not summary:
            raise TypeError("say in a docstring what the plugin does: people choose it by that line")
        for port in ports:
            if not _PORT.fullmatch(port):
                raise TypeError(f"port `{port}`: lower case expected, words joined by `-`")
        self.parameters = Parameters(settings)
        self.description = Description(summary, self.parameters.all, reads, list(ports), state_version)

    def configure(self, values: Mapping[str, Value]) -> None:
        """Takes what a pipeline set. Raises `ValueError` with what is wrong."""
        self.prepare(self.parameters.read(values))

    def prepare(self, settings: Any) -> None:
        """Gets ready to run with these settings."""
        raise NotImplementedError
