from plugin import plugin
from tidemill_sdk.testing import kept


def test_lines_without_the_text_are_dropped():
    lines = ["an error", "all is well", "error"]
    assert [record.value for record in kept(plugin, lines)] == [b"an error", b"error"]
    assert [record.value for record in kept(plugin, lines, text="well")] == [b"all is well"]
