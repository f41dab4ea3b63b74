from plugin import plugin
from tidemill_sdk.testing import run


def test_short_words_are_left_out():
    assert run(plugin, ["to be or not"], length_min=3).keys == [b"not"]


def test_a_line_that_is_no_text_is_rejected():
    ran = run(plugin, [b"\xff", "longer"])
    assert (ran.keys, ran.rejected[0][0]) == ([b"longer"], 0)
