from plugin import plugin
from tidemill_sdk.testing import check_reducer, record, reduce

LINES = [record(value, key="k") for value in ("a", "bb", "")]


def test_records_and_bytes_are_counted():
    assert reduce(plugin, LINES) == {b"k": b"3 records, 3 bytes"}


def test_any_cut_of_the_records_gives_the_same():
    check_reducer(plugin, LINES)
