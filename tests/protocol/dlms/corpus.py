"""The DLMS corpus: pushes with the records a reader must find, and damaged ones with how many may come out."""

import json
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).parents[2] / "data" / "dlms"


class Case(NamedTuple):
    """One capture (`octets`), its keys, and the JSON beside it (`expected`)."""

    name: str
    path: Path
    octets: bytes
    key: bytes | None
    auth_key: bytes | None
    expected: dict[str, Any]

    @property
    def messages_out(self) -> int:
        return int(self.expected["messages_out"])


def _case(path: Path) -> Case:
    expected = json.loads(path.with_suffix(".json").read_bytes())
    text = "".join(line.partition("#")[0] for line in path.read_text().splitlines())
    key, auth_key = (expected[name] and bytes.fromhex(expected[name]) for name in ("key", "auth_key"))
    return Case(path.stem, path, bytes.fromhex(text), key, auth_key, expected)


def cases(folder: str) -> list[Case]:
    return [_case(path) for path in sorted((DATA / folder).glob("*.hex"))]


METERS = cases("meters")
MALFORMED = cases("malformed")
SEED = cases("seed")
SYNTHETIC = cases("synthetic")


def case(name: str) -> Case:
    """The case of this name, in whatever folder."""
    (path,) = DATA.glob(f"*/{name}.hex")
    return _case(path)
