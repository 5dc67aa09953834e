"""The meter profiles: those that come along, and a person's own in a directory, which stand before them."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import msgspec

from datalogger.errors import ConfigError
from datalogger.meters import lint
from datalogger.meters.misfit import told
from datalogger.meters.own_files import read_each, text_of
from datalogger.meters.profile import Profile


class Profiles(Mapping[str, Profile]):
    """id → profile, in the order of the ids.

    `remembered` is for recognition: what it found out about the shape of a push.
    """

    def __init__(self, profiles: Iterable[Profile]) -> None:
        self._by_id = {profile.id: profile for profile in sorted(profiles, key=lambda profile: profile.id)}
        self.remembered: dict[Any, Any] = {}

    def __getitem__(self, name: str) -> Profile:
        return self._by_id[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)


def load(directory: Path | None = None) -> Profiles:
    """The built-in profiles, and those of `directory` before them: a file of the same name replaces the built-in one.

    ConfigError names every file that cannot be used, the key, the value and the mend.
    """
    return _built_in() if directory is None else Profiles({**_built_in(), **read_directory(directory)}.values())


def read_directory(directory: Path) -> dict[str, Profile]:
    """Every profile that a person put there; ConfigError as in `load`."""
    return {profile.id: profile for profile in read_each(directory, (".toml",), read, "profiles")}


def read(path: Path) -> Profile:
    """One profile of a person's own; ConfigError names the file, and what is wrong in it."""
    profile = parse(text_of(path), str(path), path.name)
    if faults := lint.faults(profile):
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in faults))
    return profile


def parse(text: str, origin: str, file_name: str) -> Profile:
    """The profile this TOML text spells; ConfigError names `origin`, key, value and mend."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{origin}: not TOML: {error}") from None
    try:
        profile = msgspec.convert(document, Profile)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {told(str(error), document, Profile)}") from None
    if f"{profile.id}.toml" != file_name:
        raise ConfigError(f'{origin}: id: "{profile.id}" in a file named {file_name}: the two must be the same')
    return profile


def as_written(name: str, directory: Path | None = None) -> str:
    """The file of a profile that `load` gave, to be copied."""
    own = directory and directory / f"{name}.toml"
    if own and own.exists():
        return own.read_text("utf-8-sig")
    return (_folder() / f"{name}.toml").read_text("utf-8")


@lru_cache(maxsize=1)
def _built_in() -> Profiles:
    return Profiles(_read_built_in())


def _read_built_in() -> Iterator[Profile]:
    for file in _folder().iterdir():
        if file.name.endswith(".toml"):
            yield parse(file.read_text("utf-8"), f"{file}", file.name)


def _folder() -> Traversable:
    return resources.files("datalogger.meters") / "profiles"
