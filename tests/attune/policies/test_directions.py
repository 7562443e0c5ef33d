"""Directions in prompts: how they read, what they order, and a run that learns them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from click.testing import CliRunner

from attune.commands.say import command as say
from attune.data import Snapshot
from attune.direction import ASPECTS
from attune.errors import BadData
from attune.policies.directions import (
    directed_prompt,
    direction_line,
    direction_of,
    draw_direction,
    with_directions,
    yardstick_of,
)
from attune.policies.examples import examples_of
from attune.policies.saving import describe
from attune.policies.settings import PolicySettings
from attune.policies.trainer import fit_policy

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's


def along(**weights: float) -> list[float]:
    return [weights.get(name.partition("–")[0], 0.0) for name in ASPECTS]


def test_a_direction_in_words() -> None:
    assert direction_line(along(concise=-4, formal=3)) == "Lean: concise 8, casual 6."
    assert direction_line(along(overall=5)) == ""
    assert direction_line(along(overall=-1)) == "Lean: unwanted 10."
    assert direction_line(along(overall=1, dry=0.05)) == ""
    with pytest.raises(BadData, match="has 2 numbers; expected 7"):
        direction_line([1, 2])
    with pytest.raises(BadData, match="no direction"):
        direction_line([0.0] * len(ASPECTS))


def test_it_stands_at_the_end_of_the_last_message() -> None:
    talk = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "Why?"},
    ]
    asked = directed_prompt(talk, along(dry=1))
    assert [each["content"] for each in asked] == ["Hi.", "Yes?", "Why?\n\nLean: warm 10."]
    assert directed_prompt(talk, along(overall=1)) == talk
    assert talk[-1]["content"] == "Why?"


def test_a_direction_is_read_by_its_poles() -> None:
    assert direction_line(direction_of("concise=4, casual=3")) == "Lean: concise 8, casual 6."
    assert direction_of("warm") == pytest.approx(along(dry=1))
    assert direction_of("warm=-2") == direction_of("dry")
    with pytest.raises(BadData, match="'funny' is no aspect; expected one of unwanted, wanted, concise"):
        direction_of("funny=1")
    with pytest.raises(BadData, match="casual is 'much'; expected a number"):
        direction_of("casual=much")


def test_drawn_directions_are_of_length_one_and_mostly_among_few() -> None:
    rng = Random(0)
    drawn = [draw_direction(rng) for _ in range(400)]
    assert all(np.linalg.norm(each) == pytest.approx(1, abs=1e-5) for each in drawn)
    few = Counter(sum(abs(share) > 0 for share in each) for each in drawn)
    assert set(few) == {1, 2, len(ASPECTS)}
    assert few[len(ASPECTS)] / 400 == pytest.approx(0.3, abs=0.06)


def test_directions_are_drawn_along_the_aspects_asked_for() -> None:
    rng, casual = Random(0), ASPECTS.index("formal–casual")
    drawn = {draw_direction(rng, ["formal–casual"])[casual] for _ in range(50)}
    assert drawn == {-1.0, 1.0}
    assert PolicySettings(directions=2, aspects=["formal–casual"]).as_mapping()["aspects"] == ["formal–casual"]
    with pytest.raises(BadData, match="aspects is 'overall'; expected a list"):
        PolicySettings(aspects="overall")
    with pytest.raises(BadData, match=r"aspects is .'funny'.; expected a list of some of overall, concise"):
        PolicySettings(aspects=["funny"])


def test_pairs_are_ordered_by_the_direction_and_once_by_people(judged: Snapshot) -> None:
    found = examples_of(judged, method="dpo", held_out=0.2, seed=0)
    directed = with_directions(found, 6, seed=0)
    plain = [each for each in directed.train if not each.direction]
    assert plain == list(found.train)
    yardstick, turned = yardstick_of(found), 0
    for each in directed.train:
        if each.direction:
            style = yardstick.traits([each.chosen, each.rejected])
            people = 1.0 if each.chosen in {other.chosen for other in plain} else -1.0  # who all prefer the short ones
            assert np.dot(each.direction, [people, *(style[0] - style[1])]) > 0
            turned += people < 0
    assert turned > 10
    assert len(directed.held_out) > 2 * len(found.held_out)
    prompts = {each.conversation[-1]["content"] for each in directed.held_out}
    assert not prompts & {each.conversation[-1]["content"] for each in directed.train}


@pytest.mark.parametrize("changes", [{"shots": 2}, {"method": "listwise"}, {"method": "kto"}])
def test_what_directions_do_not_go_with(changes: dict[str, object]) -> None:
    with pytest.raises(BadData, match="directions order pairs"):
        PolicySettings(directions=2, **changes)  # type: ignore[arg-type]


def test_a_run_learns_directions_says_how_far_and_answers_in_them(
    judged: Snapshot, micro: Path, tmp_path: Path
) -> None:
    settings = PolicySettings(
        base=str(micro), epochs=1, batch=8, rank=2, learning_rate=1e-2, samples=2, held_out=0.2, directions=2
    )
    out = tmp_path / "policy"
    report = fit_policy(judged, settings, out=out, work=tmp_path / "work")
    assert describe(out)["settings"]["directions"] == 2
    for pole in ("detailed", "casual", "direct", "example-rich", "warm", "bulleted"):
        assert report.metrics[f"steer_error_{pole}"] >= 0
        assert f"steer_{pole}" in report.metrics
    asked = ["What should I do?", "--policy", str(out), "--most-tokens", "8"]
    answers = CliRunner().invoke(say, [*asked, "--direction", "concise=1"], catch_exceptions=False)
    assert answers.exit_code == 0
    assert "— policy" in answers.stdout
    refused = CliRunner().invoke(say, [*asked, "--direction", "funny"])
    assert refused.exit_code == 2
    assert "'funny' is no aspect" in refused.stderr


def test_texts_of_one_kind_cannot_be_measured(judged: Snapshot) -> None:
    found = examples_of(judged, method="dpo", held_out=0.0, seed=0)
    with pytest.raises(BadData, match="0 texts can't be a yardstick"):
        with_directions(replace(found, train=[]), 2, seed=0)
