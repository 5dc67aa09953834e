import pytest

from datalogger.config.lines import Lines

TEXT = """\
# a comment = 1
title = "x"
[source.house]
  kind = "serial"  # [not.a.table]
port="/dev/ttyUSB0"
"zone" = 'x = y'

[ sink . "my sink" ]
text = '''
kind = "not here"
[sink.neither]
'''
sources = [
  "a=b",
]
kind = "here"
url . path = 1
[[list]]
sink = {attic = {kind = 1}}
[[list]]
sink = 2
"""


@pytest.mark.parametrize(
    ("where", "line"),
    [
        (("title",), 2),
        (("source",), 3),
        (("source", "house"), 3),
        (("source", "house", "kind"), 4),
        (("source", "house", "port"), 5),
        (("source", "house", "zone"), 6),
        (("sink", "my sink"), 8),
        (("sink", "my sink", "text"), 9),
        (("sink", "my sink", "sources"), 13),
        (("sink", "my sink", "kind"), 16),
        (("sink", "my sink", "url"), 17),
        (("sink", "my sink", "url", "path"), 17),
        (("list",), 18),
        (("list", "1"), 18),
        (("list", "1", "sink", "attic", "kind"), 19),
        (("list", "2"), 20),
        (("list", "2", "sink"), 21),
    ],
)
def test_a_key_is_found_where_it_stands(where: tuple[str, ...], line: int) -> None:
    assert Lines(TEXT).of(where) == line


@pytest.mark.parametrize(
    ("where", "line"),
    [(("source", "house", "preset"), 3), (("sink", "neither"), 8), (("service", "listen"), None), ((), None)],
)
def test_what_is_not_there_is_looked_for_in_the_table_around_it(where: tuple[str, ...], line: int | None) -> None:
    assert Lines(TEXT).of(where) == line
