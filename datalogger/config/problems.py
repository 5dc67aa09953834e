"""What is wrong with a configuration: all of it, one line each."""

from collections.abc import Iterable

from datalogger.errors import ConfigError


class ConfigProblems(ConfigError):
    """Every problem of one configuration, in the order of the file."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
