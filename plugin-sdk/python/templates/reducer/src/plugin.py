from tidemill_sdk import Reducer, Struct, reducer

Seen = tuple[int, int]


@reducer
class plugin(Reducer[Seen]):
    """Counts the records of each key, and the bytes of their values."""

    # How accumulators are kept. If their form changes, raise the version.
    codec = Struct("<QQ")
    state_version = 1

    def zero(self) -> Seen:
        return 0, 0

    def fold(self, seen: Seen, value: bytes) -> Seen:
        return seen[0] + 1, seen[1] + len(value)

    # The host folds parts of a batch on many cores and merges them in the records' order.
    def merge(self, seen: Seen, later: Seen) -> Seen:
        return seen[0] + later[0], seen[1] + later[1]

    def finish(self, seen: Seen) -> str:
        return f"{seen[0]} records, {seen[1]} bytes"
