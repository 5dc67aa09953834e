"""TOML → `Configuration`. The whole file is judged before anything is touched."""

from pathlib import Path

from datalogger.config.schema import Configuration


def load_configuration(path: Path) -> Configuration:
    """The configuration in `path`; ConfigProblems (a ConfigError) names everything wrong with it."""
    return load(path)[0]


def load(path: Path, *, read_secrets: bool = True) -> tuple[Configuration, tuple[str, ...]]:
    """The configuration and what a person should know about it (warnings, one line each).

    Without `read_secrets` only the form is judged: no key file, variable or credential is looked at.
    """
    raise NotImplementedError
