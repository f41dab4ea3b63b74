"""The same without the SDK, on the columns themselves: what `tests/bench/sdks` compares with."""

from itertools import accumulate

from wit_world.exports import definition
from wit_world.imports import types


class Definition:
    def describe(self):
        reads = definition.Parts.VALUES
        return definition.Description("upper-case-columns", "0.1.0", "Upper case, by hand", [], reads, [], 0)

    def configure(self, settings):
        pass


class Transformer:
    def process(self, records):
        data, offsets = records.values.data, records.values.offsets
        parts = [data[start:end].decode().upper().encode() for start, end in zip(offsets, offsets[1:])]
        values = types.Column(b"".join(parts), list(accumulate(map(len, parts), initial=0)), b"")
        none = types.Column(b"", [], b"")
        return types.Outcome(types.Batch(none, values, none, []), [], [], [])
