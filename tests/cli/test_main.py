"""The command line itself: what it offers, and what it says to a slip of the pen."""

from click.testing import CliRunner

from datalogger.cli import COMMANDS, main


def test_the_help_says_what_every_command_does_in_whole_sentences() -> None:
    text = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    for name, (_, summary) in COMMANDS.items():
        assert f"\n  {name} " in text
        assert summary.endswith((".", "?"))
        assert summary in text


def test_every_command_loads() -> None:
    for name in COMMANDS:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0
        assert result.output.startswith(f"Usage: main {name} ")


def test_a_command_misspelt_names_the_near_one() -> None:
    result = CliRunner().invoke(main, ["chek", "c.toml"])
    assert result.exit_code == 2
    assert "No such command 'chek'; did you mean \"check\"?" in result.output


def test_a_command_near_to_none_lists_them() -> None:
    result = CliRunner().invoke(main, ["frobnicate"])
    assert result.exit_code == 2
    assert f"No such command 'frobnicate'; there is {', '.join(COMMANDS)}" in result.output


def test_an_option_misspelt_is_no_command() -> None:
    assert "No such option" in CliRunner().invoke(main, ["--verison"]).output
