"""The command `attune`: quick help, no web framework until a command needs it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from attune.cli import Lazy, main
from config.commands import COMMANDS
from tests.config.conftest import run_python

HELP = """
import sys
from click.testing import CliRunner
from attune.cli import main
result = CliRunner().invoke(main, ["--help"])
assert result.exit_code == 0, result.output
print(" ".join(name for name in ("django", "torch", "celery", "psycopg2", "numpy") if name in sys.modules))
"""


def test_help_lists_every_command_and_loads_none() -> None:
    output = CliRunner().invoke(main, ["--help"]).output
    for name, lazy in COMMANDS.items():
        assert f"  {name} " in output
        assert lazy.help.split(",")[0][:30] in output
    assert run_python(HELP) == ""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_each_command_has_help(name: str) -> None:
    result = CliRunner().invoke(main, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: main {name} [OPTIONS")


def test_an_unknown_command_is_an_error() -> None:
    result = CliRunner().invoke(main, ["frobnicate"])
    assert result.exit_code == 2
    assert "No such command 'frobnicate'" in result.output


def test_a_missing_target_is_not_hidden() -> None:
    with pytest.raises(ModuleNotFoundError):
        Lazy("config.commands.missing:command", "").load()
