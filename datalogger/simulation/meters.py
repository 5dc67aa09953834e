"""The meters that can be simulated: one push each, in `pushes/*.hex`, with what belongs to it in comments.

# meter: Kaifa MA309, Austria: Netz NÖ     for people
# line: 2400 8E1                           how such a meter is connected
# interval: 5s                             between two pushes
# zone: Europe/Vienna                      where its clock is
# clock: standard time all year            it knows no summer time
# key: …, auth-key: …                      public: the twins' own keys, no meter has them
"""

import re
from importlib import resources

from msgspec import Struct

from datalogger.protocol.dlms.keys import Keys, parse_key
from datalogger.words import Duration

_COMMENT = re.compile(rb"^#[ \t]*([a-z][a-z-]*):[ \t]*(.*?)[ \t\r]*$", re.MULTILINE)
_STANDARD = "standard time"


class Model(Struct, frozen=True, kw_only=True):
    """A meter, as its file says it; `octets` is its push.

    line: "2400 8E1"; "" where the push travels on no serial line, or nobody said
    standard_time: its clock knows no summer time
    """

    name: str
    octets: bytes
    title: str = ""
    line: str = ""
    interval: Duration = Duration(10)
    zone: str = "Europe/Amsterdam"
    standard_time: bool = False
    keys: Keys = Keys()
    system_title: bytes = b""


def names() -> list[str]:
    """Of the built-in ones."""
    return sorted(file.name.removesuffix(".hex") for file in _folder().iterdir() if file.name.endswith(".hex"))


def built_in(name: str) -> Model:
    """KeyError where there is none of this name."""
    if name not in names():
        raise KeyError(name)
    text = _folder().joinpath(f"{name}.hex").read_bytes()
    return described(name, text, bytes.fromhex(re.sub(rb"#[^\n]*", b"", text).decode("ascii")))


def described(name: str, text: bytes, octets: bytes) -> Model:
    """The meter of a capture, with what the comments of its hex text say. ValueError where a comment makes no sense."""
    said = {word.decode(): value.decode() for word, value in _COMMENT.findall(text)}
    encryption, authentication = (parse_key(said[word]) if word in said else None for word in ("key", "auth-key"))
    return Model(
        name=name,
        octets=octets,
        title=said.get("meter", ""),
        line=said.get("line", ""),
        interval=Duration.parse(said["interval"]) if "interval" in said else Duration(10),
        zone=said.get("zone", "Europe/Amsterdam"),
        standard_time=said.get("clock", "").startswith(_STANDARD),
        keys=Keys(encryption, authentication),
        system_title=bytes.fromhex(said.get("system-title", "")),
    )


def _folder() -> "resources.abc.Traversable":
    return resources.files("datalogger.simulation") / "pushes"
