"""Policies that read in words whom they answer: learnt with a snapshot's descriptions, written after the shots, said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from attune.commands.say import command as say
from attune.data import Snapshot, write_snapshot
from attune.errors import BadData
from attune.policies.saving import describe
from attune.policies.settings import PolicySettings
from attune.policies.speaking import Manner, Reader, Voice, speak
from attune.policies.trainer import fit_policy

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's

WORDS = "likes answers that are very concise"


@pytest.fixture
def told(judged: Snapshot, tmp_path: Path) -> Path:
    """Frozen judgments that bring a description of one of the two annotators."""
    folder = tmp_path / "snapshot"
    write_snapshot(folder, judged.responses.values(), judged.judgments, {"descriptions": {"u0": WORDS}})
    return folder


def trained(told: Path, micro: Path, describing: str, seen: list[dict[str, Any]]) -> Path:
    from attune.data import read_snapshot

    settings = PolicySettings(
        base=str(micro), epochs=6, batch=4, rank=8, samples=0, learning_rate=0.02, shots=1, max_length=256,
        describe=describing, describe_weight=1.0, held_out=0.0,
    )  # type: ignore[arg-type]  # fmt: skip
    out = told.parent / describing
    fit_policy(
        read_snapshot(told), settings, out=out, work=told.parent / "work", tell=lambda line: seen.append(dict(line))
    )
    return out


def test_describing_needs_shots_and_known_words() -> None:
    with pytest.raises(BadData, match="describe is 'given', which needs shots"):
        PolicySettings(describe="given")
    with pytest.raises(BadData, match="describe is 'always'; expected 'off' or 'given' or 'written'"):
        PolicySettings(describe="always", shots=2)  # type: ignore[arg-type]


@pytest.mark.timeout(600)
def test_written_it_is_learnt_and_written_before_the_answer(told: Path, micro: Path) -> None:
    seen: list[dict[str, Any]] = []
    policy = trained(told, micro, "written", seen)
    losses = [line["reader"] for line in seen if "reader" in line]
    assert losses[-1] < losses[0]
    assert describe(policy)["settings"]["describe"] == "written"
    asked = ["How do I start?", "--policy", str(policy), "--judgments", str(told), "--annotator", "u1", "--shots", "1"]
    done = CliRunner().invoke(say, [*asked, "--most-tokens", "4", "--temperature", "0"])
    assert done.exit_code == 0, done.output
    assert "— written, of its reader: " in done.output
    assert re.search(r"— written, \d+ tokens", done.output.split("of its reader")[1])


@pytest.mark.timeout(600)
def test_given_it_is_read_as_the_judgments_bring_or_show_it(told: Path, micro: Path) -> None:
    seen: list[dict[str, Any]] = []
    policy = trained(told, micro, "given", seen)
    assert not [line for line in seen if "reader" in line]
    asked = ["How do I start?", "--policy", str(policy), "--judgments", str(told), "--shots", "2", "--most-tokens", "4"]
    brought = CliRunner().invoke(say, [*asked, "--annotator", "u0"])
    assert brought.exit_code == 0, brought.output
    assert f"— given, of its reader: {WORDS}" in brought.output
    said = CliRunner().invoke(say, [*asked, "--annotator", "u1", "--description", "likes jam"])
    assert "— given, of its reader: likes jam" in said.output
    shown = CliRunner().invoke(say, [*asked, "--annotator", "u1"])
    assert "— given, of its reader: likes answers that are very concise" in shown.output
    assert "of its reader" not in shown.output.split("— given")[0]  # the base has not learnt to read descriptions


def test_without_judgments_or_words_a_reader_is_nobody(micro: Path) -> None:
    lines: list[dict[str, object]] = []
    voice = Voice("base", str(micro), describe="written")
    conversation = [{"role": "user", "content": "How?"}]
    speak([voice], conversation, Manner(most_tokens=2), tell=lambda line: lines.append(dict(line)), reader=Reader())
    assert {"key": "base", "reader": ""} in lines
    plain: list[dict[str, object]] = []
    speak([voice], conversation, Manner(most_tokens=2), tell=lambda line: plain.append(dict(line)))
    assert lines[-1]["text"] == plain[-1]["text"]
