"""Policies write in batches: the same order gives the same texts, a long prompt does not keep the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from attune.commands.write_responses import command
from attune.errors import Cancelled
from attune.policies.errors import BaseModelError
from attune.policies.speaking import Voice
from attune.policies.writing import Order, write

ASKED = {name: [{"role": "user", "content": f"What about {name}?"}] for name in ("one", "two", "three")}
ORDER = Order(count=2, temperatures=(0.0, 1.0), most_tokens=8, batch=4)


def written(micro: Path, order: Order = ORDER, asked: Any = None) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    write([Voice("m", str(micro))], asked or ASKED, order, tell=lambda line: lines.append(dict(line)))
    return lines


def test_every_prompt_gets_its_responses_with_where_they_are_from(micro: Path) -> None:
    lines = written(micro)
    assert [line["prompt"] for line in lines] == list(ASKED)
    assert [line["step"] for line in lines] == [1, 2, 3]
    for line in lines:
        assert [each["temperature"] for each in line["samples"]] == [0.0, 0.0, 1.0, 1.0]
        greedy, again = line["samples"][:2]
        assert greedy["text"] == again["text"]
        assert all(1 <= each["tokens"] <= 8 for each in line["samples"])
    assert {line["samples"][0]["seed"] for line in lines} == {0, 2}  # two prompts to a batch, a seed for each batch
    assert written(micro) == lines


def test_a_prompt_without_room_says_so_and_the_others_are_answered(micro: Path) -> None:
    asked = ASKED | {"long": [{"role": "user", "content": "why? " * 300}]}
    lines = written(micro, asked=asked)
    assert {line["prompt"]: "error" in line for line in lines} == {name: name == "long" for name in asked}
    assert "do not fit into the 256 tokens" in next(line["error"] for line in lines if "error" in line)


def test_a_stop_is_heard_between_batches(micro: Path) -> None:
    with pytest.raises(Cancelled):
        write([Voice("m", str(micro))], ASKED, ORDER, tell=lambda _line: None, asked_to_stop=lambda: True)


def test_a_base_that_is_not_there_is_an_error_in_words() -> None:
    with pytest.raises(BaseModelError):
        write([Voice("m", "/nowhere")], ASKED, ORDER, tell=lambda _line: None)


def test_the_command_wants_prompts(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("\n \n")
    result = CliRunner().invoke(command, ["--prompts", str(tmp_path / "prompts.txt")])
    assert result.exit_code == 2
    assert "there is no prompt" in result.output
