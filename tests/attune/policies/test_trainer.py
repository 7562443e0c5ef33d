"""Runs from beginning to end on the micro model: what is learnt, kept, resumed, refused."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attune.data import Judgment, Response, Snapshot
from attune.errors import ArtifactError, BadData, Cancelled
from attune.policies.errors import AdapterMismatch, BaseModelError
from attune.policies.preference_trainer import COMPLETE, last_checkpoint
from attune.policies.saving import describe
from attune.policies.selfplay import Opinion, Opinions
from attune.policies.settings import NASH_METHODS, PolicySettings
from attune.policies.trainer import Whose, fit_policy

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's


@pytest.fixture
def settings(micro: Path) -> PolicySettings:
    return PolicySettings(
        base=str(micro), epochs=2, batch=4, rank=4, learning_rate=1e-2, checkpoint_every=3, samples=1, held_out=0.2
    )


def test_a_run_learns_and_stores_what_peft_can_load(settings: PolicySettings, judged: Snapshot, tmp_path: Path) -> None:
    from peft import PeftModel
    from safetensors.torch import load_file

    from attune.policies.base import load_base

    said: list[dict[str, Any]] = []
    out = tmp_path / "policy"
    report = fit_policy(judged, settings, out=out, work=tmp_path / "work", tell=lambda line: said.append(dict(line)))
    assert report.metrics["held_out_accuracy"] == 1.0
    steps = [line for line in said if "chosen" in line]
    assert {"loss", "margin", "chosen", "rejected", "accuracy"} <= steps[0].keys()
    assert steps[-1]["margin"] > steps[0]["margin"]
    assert [line["step"] for line in steps] == list(range(1, steps[-1]["steps"] + 1))
    looks = [line for line in said if "held_out_accuracy" in line]
    assert {"kl", "length"} <= looks[-1].keys()

    described = describe(out, report.digest)
    assert described["settings"]["method"] == "dpo"
    assert described["samples"][0].keys() == {"prompt", "before", "after"}
    assert str(settings.base) not in (out / "adapter_config.json").read_text()
    assert "PeftModel" in (out / "README.md").read_text()
    loaded = PeftModel.from_pretrained(load_base(settings.base).model, out)
    weights = load_file(out / "adapter_model.safetensors")
    assert any(value.abs().max() > 0 for name, value in weights.items() if "lora_B" in name)
    assert loaded.peft_config["default"].r == 4


def test_a_changed_file_is_noticed(settings: PolicySettings, judged: Snapshot, tmp_path: Path) -> None:
    out = tmp_path / "policy"
    fit_policy(judged, replace(settings, epochs=1, samples=0), out=out, work=tmp_path / "work")
    (out / "README.md").write_text("something else")
    with pytest.raises(ArtifactError, match="has changed"):
        describe(out)


def test_stopped_at_a_step_and_taken_up_again_ends_at_the_same_loss(
    settings: PolicySettings, judged: Snapshot, tmp_path: Path
) -> None:
    whole: list[dict[str, Any]] = []
    fit_policy(judged, settings, out=tmp_path / "a", work=tmp_path / "wa", tell=lambda line: whole.append(dict(line)))

    parts: list[dict[str, Any]] = []
    with pytest.raises(Cancelled, match="stopped at step 4; its checkpoint is kept"):
        fit_policy(
            judged,
            settings,
            out=tmp_path / "b",
            work=tmp_path / "wb",
            tell=lambda line: parts.append(dict(line)),
            asked_to_stop=lambda: any(line["step"] == 4 and "loss" in line for line in parts),
        )
    assert not (tmp_path / "b").exists()
    fit_policy(judged, settings, out=tmp_path / "b", work=tmp_path / "wb", tell=lambda line: parts.append(dict(line)))
    one = {line["step"]: line["loss"] for line in whole if "chosen" in line}
    two = {line["step"]: line["loss"] for line in parts if "chosen" in line}
    assert two == pytest.approx(one, abs=1e-6)
    first, second = describe(tmp_path / "a")["metrics"], describe(tmp_path / "b")["metrics"]
    assert second["held_out_margin"] == pytest.approx(first["held_out_margin"], abs=1e-6)


def test_a_stop_is_heard_before_the_first_step(settings: PolicySettings, judged: Snapshot, tmp_path: Path) -> None:
    polled: list[bool] = []
    said: list[dict[str, Any]] = []

    def third_time() -> bool:
        polled.append(True)
        return len(polled) == 3

    told = {"tell": lambda line: said.append(dict(line)), "asked_to_stop": third_time}
    with pytest.raises(Cancelled, match="stopped while it measured its reference"):
        fit_policy(judged, settings, out=tmp_path / "out", work=tmp_path / "work", **told)
    assert len(polled) == 3
    assert said == [{"stage": "reference", "step": 4 * number, "steps": len(judged.judgments)} for number in range(2)]
    assert not (tmp_path / "out").exists()


def test_half_a_checkpoint_is_passed_over(tmp_path: Path) -> None:
    for number, complete in ((3, True), (6, True), (9, False)):
        (tmp_path / f"checkpoint-{number}").mkdir()
        if complete:
            (tmp_path / f"checkpoint-{number}" / COMPLETE).touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-6"


@pytest.mark.parametrize("method", ["kto", "orpo", "cpl", "degree", "soft"])
def test_other_methods_run(method: str, settings: PolicySettings, judged: Snapshot, tmp_path: Path) -> None:
    changed = replace(settings, method=method, epochs=1, samples=0)
    report = fit_policy(judged, changed, out=tmp_path / "policy", work=tmp_path / "work")
    assert report.metrics["steps"] > 0


def test_rationales_curriculum_maxmin_and_full_weights(
    settings: PolicySettings, judged: Snapshot, tmp_path: Path
) -> None:
    said: list[dict[str, Any]] = []
    changed = replace(
        settings, rationales="nll", order="curriculum", maxmin=0.5, adapter="full", epochs=1, learning_rate=1e-3
    )
    fit_policy(
        judged,
        changed,
        out=tmp_path / "policy",
        work=tmp_path / "work",
        whose=Whose(groups={"u0": 0, "u1": 1}),
        tell=lambda line: said.append(dict(line)),
    )
    assert any(line.get("rationale", 0) > 0 for line in said)
    assert (tmp_path / "policy" / "model.safetensors").is_file()


def test_a_personal_run_starts_from_the_groups_adapter(
    settings: PolicySettings, judged: Snapshot, tmp_path: Path, micro: Path
) -> None:
    group = tmp_path / "group"
    fit_policy(judged, replace(settings, samples=0), out=group, work=tmp_path / "w1")
    whose = Whose(title="u1", annotators=["u1"], start_from=group)
    personal = replace(settings, epochs=1, samples=0, momentum=0.5)
    report = fit_policy(judged, personal, out=tmp_path / "personal", work=tmp_path / "w2", whose=whose)
    assert describe(tmp_path / "personal")["counts"]["annotators"] == 1
    assert report.metrics["held_out_accuracy"] >= 0.5

    other = tmp_path / "other"
    shutil.copytree(micro, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"rope_theta": 5000.0}))
    with pytest.raises(AdapterMismatch, match="made for the base model"):
        fit_policy(judged, replace(personal, base=str(other)), out=tmp_path / "x", work=tmp_path / "w3", whose=whose)
    assert not (tmp_path / "x").exists()


# Bad input


def one_pair(text: str = "No.") -> Snapshot:
    responses = {key: Response(key, "Why?", value) for key, value in (("a", "Yes."), ("b", text))}
    return Snapshot(responses, (Judgment("u", "a", "b", "a"), Judgment("v", "a", "b", "a")), "d")


@pytest.mark.parametrize(
    ("snapshot", "message"),
    [
        (Snapshot({}, (), "d"), "holds no judgments"),
        (one_pair(), "one-sided: all 2 judgments prefer the same response"),
        (one_pair("Yes. "), "the chosen response is equal to the rejected one"),
    ],
)
def test_snapshots_that_teach_nothing(
    snapshot: Snapshot, message: str, settings: PolicySettings, tmp_path: Path
) -> None:
    with pytest.raises(BadData, match=message):
        fit_policy(snapshot, settings, out=tmp_path / "policy", work=tmp_path / "work")
    assert not (tmp_path / "policy").exists()


def test_prompts_that_are_too_long(settings: PolicySettings, judged: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"fits into 16 tokens .* raise max_length"):
        fit_policy(judged, replace(settings, max_length=16), out=tmp_path / "policy", work=tmp_path / "work")


def changed_tokenizer(micro: Path, folder: Path, **changes: object) -> Path:
    shutil.copytree(micro, folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


def test_no_chat_template(settings: PolicySettings, judged: Snapshot, tmp_path: Path, micro: Path) -> None:
    other = changed_tokenizer(micro, tmp_path / "other")
    (other / "chat_template.jinja").unlink()
    without = replace(settings, base=str(other), epochs=1, samples=0)
    with pytest.raises(BaseModelError, match="has no chat template; choose an instruct model, or set chat_template"):
        fit_policy(judged, without, out=tmp_path / "policy", work=tmp_path / "work")
    plain = replace(without, chat_template="plain")
    assert fit_policy(judged, plain, out=tmp_path / "policy", work=tmp_path / "work").digest


def test_no_pad_token(settings: PolicySettings, judged: Snapshot, tmp_path: Path, micro: Path) -> None:
    other = changed_tokenizer(micro, tmp_path / "other", pad_token=None)
    report = fit_policy(
        judged, replace(settings, base=str(other), epochs=1), out=tmp_path / "policy", work=tmp_path / "work"
    )
    assert any("no pad token" in note for note in report.notes)


@pytest.mark.parametrize(
    ("base", "message"),
    [("/nowhere/at/all", "no model folder"), ("somebody/model", "expected the 40 hex digits of a commit")],
)
def test_bases_that_cannot_be_used(
    base: str, message: str, settings: PolicySettings, judged: Snapshot, tmp_path: Path
) -> None:
    with pytest.raises(BaseModelError, match=message):
        fit_policy(judged, replace(settings, base=base), out=tmp_path / "policy", work=tmp_path / "work")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "ppo"}, "method is 'ppo'; expected 'dpo' or"),
        ({"epochs": 0}, "epochs is 0; expected an integer 1 to 100"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"steps": 3}, "setting 'steps' is not known"),
    ],
)
def test_settings_out_of_range(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(BadData, match=message):
        PolicySettings.from_mapping(changes)


def test_rankings_are_learnt_whole(settings: PolicySettings, judged: Snapshot, tmp_path: Path) -> None:
    """Of three texts the order is learnt, by both methods; listwise takes each ranking as one example."""
    texts = (
        "Go now.",
        "One could possibly look at it from several sides.",
        "It may perhaps be good to wait for a while.",
    )
    responses = {
        f"{number}-{place}": Response(f"{number}-{place}", f"How do I do thing {number}?", f"{text} {number}")
        for number in range(12)
        for place, text in enumerate(texts)
    }
    said = tuple(
        Judgment("u", f"{number}-{one}", f"{number}-{other}", "a", judged_at=str(number), weight=2 / 3)
        for number in range(12)
        for one, other in ((0, 1), (0, 2), (1, 2))
    )
    snapshot = Snapshot(responses, said)
    listwise = replace(settings, method="listwise", epochs=6)
    report = fit_policy(snapshot, listwise, out=tmp_path / "policy", work=tmp_path / "work")
    counts = describe(tmp_path / "policy")["counts"]
    assert counts["train"] + counts["held_out"] == 12
    assert report.metrics["held_out_accuracy"] == 1.0
    assert report.metrics["train_loss"] < 1.7  # ln 3! = 1.79: the order of three of which nothing is known


def opinions_of(judged: Snapshot, *, lead: float) -> Opinions:
    """Each judged pair as a preference model might see it, the short response ahead by ``lead``."""
    rows = []
    for each in judged.judgments:
        short, long = (judged.responses[key].text for key in sorted((each.a, each.b), reverse=True))
        prompt = judged.responses[each.a].prompt
        rows.append(Opinion(prompt, long, short, 0.5 - lead / 2, 0.5 - lead / 2, 0.5 + lead / 2))
    return Opinions(tuple(rows), "e" * 64)


@pytest.mark.parametrize("method", NASH_METHODS)
def test_a_run_learns_from_opinions_and_its_card_says_so(
    method: str, settings: PolicySettings, judged: Snapshot, tmp_path: Path
) -> None:
    asked = replace(settings, method=method, options={"beta": 0.2}, epochs=4)
    about = {"opinions_of": "gpm@3"}
    opinions = opinions_of(judged, lead=0.8)
    report = fit_policy(opinions, asked, out=tmp_path / "p", work=tmp_path / "w", about=about)
    assert report.metrics["held_out_accuracy"] == 1.0
    described = describe(tmp_path / "p")
    assert (described["snapshot"], described["counts"]["annotators"]) == ("e" * 64, 0)
    assert "judged by the preference model gpm@3 and by no person" in (tmp_path / "p" / "README.md").read_text()


def test_opinions_have_no_shots(settings: PolicySettings, judged: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(BadData, match="opinions of a model are none"):
        fit_policy(opinions_of(judged, lead=0.8), replace(settings, shots=2), out=tmp_path / "p", work=tmp_path / "w")


def test_inpo_is_drawn_to_where_self_play_began(settings: PolicySettings, judged: Snapshot, tmp_path: Path) -> None:
    """Opinions that say next to nothing leave the pull alone: to the base model, or to the policy itself, which is none."""
    start = tmp_path / "start"
    fit_policy(judged, replace(settings, epochs=3, samples=0), out=start, work=tmp_path / "w0")
    asked = replace(settings, method="inpo", options={"anchor": 1.0}, samples=0, held_out=0.0)
    nothing = opinions_of(judged, lead=1e-4)

    def losses(name: str, origin: Path | None) -> list[float]:
        said: list[dict[str, Any]] = []
        whose = Whose(start_from=start, origin=origin)
        out, work = tmp_path / name, tmp_path / f"{name}.w"
        fit_policy(nothing, asked, out=out, work=work, whose=whose, tell=lambda line: said.append(dict(line)))
        return [line["loss"] for line in said if "loss" in line]

    assert losses("stays", start)[0] < 1e-4
    there = losses("returns", None)
    assert there[0] > 1
    assert there[-1] < 0.5 * there[0]
