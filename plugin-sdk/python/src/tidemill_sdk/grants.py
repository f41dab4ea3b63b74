"""What a pipeline can grant: a log, and the plugin's own metrics.

A component imports what `grants` in `tidemill-plugin.toml` names, and the pipeline has to grant it. In native
tests both are remembered: `log.messages`, `metrics.counters`, `metrics.gauges`.
"""

from __future__ import annotations

from typing import Any, Optional


class Log:
    """Messages that the host shows with the pipeline's and operator's names."""

    def __init__(self) -> None:
        self._host: Any = None
        #: In native tests: level and message.
        self.messages: list[tuple[str, str]] = []

    def bind(self, host: Any) -> None:
        self._host = host

    def _log(self, level: str, message: str) -> None:
        if self._host is None:
            _refuse_in_component("logging")
            self.messages.append((level, message))
        else:
            self._host.log(getattr(self._host.Level, level.upper()), message)

    def trace(self, message: str) -> None:
        self._log("trace", message)

    def debug(self, message: str) -> None:
        self._log("debug", message)

    def info(self, message: str) -> None:
        self._log("info", message)

    def warn(self, message: str) -> None:
        self._log("warn", message)

    def error(self, message: str) -> None:
        self._log("error", message)


class Metrics:
    """The plugin's own metrics, shown beside the host's. Label values should be few."""

    def __init__(self) -> None:
        self._host: Any = None
        #: In native tests: by name and labels.
        self.counters: dict[tuple, int] = {}
        self.gauges: dict[tuple, float] = {}

    def bind(self, host: Any) -> None:
        self._host = host

    def count(self, name: str, by: int = 1, **labels: str) -> None:
        """Adds to a counter."""
        if self._host is None:
            _refuse_in_component("metrics")
            key = (name, *sorted(labels.items()))
            self.counters[key] = self.counters.get(key, 0) + by
        else:
            self._host.count(name, self._labels(labels), by)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Sets a gauge."""
        if self._host is None:
            _refuse_in_component("metrics")
            self.gauges[(name, *sorted(labels.items()))] = value
        else:
            self._host.gauge(name, self._labels(labels), value)

    def _labels(self, labels: dict[str, str]) -> list:
        return [self._host.Label(name, str(value)) for name, value in labels.items()]


#: Set in a component.
in_component = False


def _refuse_in_component(grant: str) -> None:
    if in_component:
        from .failures import Fatal

        raise Fatal(f"the component was built without `{grant}`: `grants = [\"{grant}\"]` in tidemill-plugin.toml")


log = Log()
metrics = Metrics()


def grant(interface: Optional[Any]) -> None:
    """Binds an imported interface of the host's."""
    (log if hasattr(interface, "log") else metrics).bind(interface)
