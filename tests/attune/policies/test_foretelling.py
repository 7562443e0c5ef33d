"""Pairs that a reward model foretells: which are drawn, whose taste they have, that nothing kept aside is in them, and that a run which goes on
has the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from attune import rewards
from attune.data import Judgment, Response, Snapshot
from attune.encoders import FileStore, content_digest, get_encoder
from attune.errors import BadData, Cancelled
from attune.policies import foretelling
from attune.policies.examples import Example, Examples, curriculum, examples_of, prompts_aside
from attune.policies.foretelling import FORETOLD_FILE, VECTORS_FOLDER, drawn_pairs, shared_out, with_foretold
from attune.policies.saving import describe
from attune.policies.settings import PolicySettings
from attune.policies.trainer import fit_policy

pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's

SETTINGS = PolicySettings(method="soft", foretold=2.0, encoder="style", held_out=0.25)
PROMPTS, RESPONSES = 24, 6


@pytest.fixture(scope="module")
def shared() -> Snapshot:
    """Anna likes what is short, bert what is long; each judged two pairs of every prompt's six responses."""
    rng = Random(3)
    responses, said = {}, []
    for number in range(PROMPTS):
        for place in range(RESPONSES):
            text = " ".join(
                f"One may {rng.choice(('wait', 'go', 'ask', 'look'))} for a while." for _ in range(1 + 2 * place)
            )
            responses[f"{number}-{place}"] = Response(f"{number}-{place}", f"Question {number}?", text)
        for who, sign in (("anna", -1), ("bert", 1)):
            places = rng.sample(range(RESPONSES), 4)
            for a, b in (places[:2], places[2:]):
                choice = "a" if sign * (a - b) > 0 else "b"
                said.append(Judgment(who, f"{number}-{a}", f"{number}-{b}", choice, strength=2))  # type: ignore[arg-type]
    return Snapshot(responses, tuple(said), "0" * 64)


def examples_for(snapshot: Snapshot, *annotators: str, settings: PolicySettings = SETTINGS) -> Examples:
    return examples_of(
        snapshot, method=settings.method, held_out=settings.held_out, seed=0, annotators=annotators or None
    )


def foretold(snapshot: Snapshot, work: Path, *annotators: str, settings: PolicySettings = SETTINGS) -> Examples:
    examples = examples_for(snapshot, *annotators, settings=settings)
    return with_foretold(examples, snapshot, settings, work, tell=lambda _: None, asked_to_stop=lambda: False)


def added(snapshot: Snapshot, work: Path, *annotators: str, settings: PolicySettings = SETTINGS) -> list[Example]:
    judged = examples_for(snapshot, *annotators, settings=settings)
    return list(foretold(snapshot, work, *annotators, settings=settings).train[len(judged.train) :])


def aside_of(snapshot: Snapshot, *annotators: str) -> frozenset[str]:
    return prompts_aside(snapshot, examples_for(snapshot, *annotators), SETTINGS.held_out, SETTINGS.seed)


def test_pairs_are_drawn_that_their_annotator_has_not_judged(shared: Snapshot) -> None:
    aside = aside_of(shared)
    assert 0 < len(aside) < PROMPTS
    learnt = [each for each in shared.judgments if shared.responses[each.a].prompt not in aside]
    found = drawn_pairs(shared, learnt, aside, SETTINGS)
    assert {who: len(pairs) for who, pairs in found.items()} == {"anna": len(learnt), "bert": len(learnt)}
    for who, pairs in found.items():
        judged = {frozenset((each.a, each.b)) for each in shared.judgments if each.annotator == who}
        assert len(set(map(frozenset, pairs))) == len(pairs)
        for pair in pairs:
            assert frozenset(pair) not in judged
            prompts = {shared.responses[key].prompt for key in pair}
            assert len(prompts) == 1
            assert not prompts & aside
    assert found == drawn_pairs(shared, learnt, aside, SETTINGS)


def test_few_pairs_are_of_many_prompts(shared: Snapshot) -> None:
    own = [each for each in shared.judgments if each.annotator == "anna"]
    (pairs,) = drawn_pairs(shared, own, frozenset(), replace(SETTINGS, foretold=0.5)).values()
    assert len(pairs) == PROMPTS
    assert len({shared.responses[key].prompt for pair in pairs for key in pair}) == PROMPTS


def test_every_pair_there_is_can_be_drawn(shared: Snapshot) -> None:
    own = [each for each in shared.judgments if each.annotator == "anna"]
    (pairs,) = drawn_pairs(shared, own, frozenset(), replace(SETTINGS, foretold=20.0)).values()
    assert len(pairs) == PROMPTS * RESPONSES * (RESPONSES - 1) // 2 - len({frozenset((e.a, e.b)) for e in own})


def test_equal_texts_are_one() -> None:
    texts = {"a": "Yes.", "b": "No.", "c": " Yes. ", "d": "Perhaps."}
    responses = {key: Response(key, "Question?", text) for key, text in texts.items()}
    said = [Judgment("anna", "a", "b", "a")]
    snapshot = Snapshot(responses, tuple(said), "0" * 64)
    (pairs,) = drawn_pairs(snapshot, said, frozenset(), replace(SETTINGS, foretold=20.0)).values()
    assert {frozenset(responses[key].text.strip() for key in pair) for pair in pairs} == {
        frozenset(("Yes.", "Perhaps.")),
        frozenset(("No.", "Perhaps.")),
    }
    assert len(pairs) == 2


def test_the_cap_is_of_all_and_shared_by_what_was_decided(shared: Snapshot) -> None:
    """Of 30 people who judged alike 40 pairs are foretold where so many are the most, and of who said more, more."""
    many = [replace(each, annotator=f"{each.annotator}{n}") for n in range(15) for each in shared.judgments]
    wide = replace(shared, judgments=tuple(many))
    found = drawn_pairs(wide, many, frozenset(), replace(SETTINGS, foretold_most=40))
    assert sum(map(len, found.values())) == 40
    assert {len(pairs) for pairs in found.values()} == {1, 2}
    assert shared_out({"anna": 30, "bert": 10, "carl": 0}, 6) == {"anna": 5, "bert": 1}
    assert shared_out({"anna": 1.0, "bert": 1.0, "carl": 1.0}, 2) == {"anna": 1, "bert": 1, "carl": 0}


def test_a_ranking_counts_as_its_choices() -> None:
    """Ten comparisons of a ranking of five weigh 2/5 each, four in all."""
    responses = {f"{p}{n}": Response(f"{p}{n}", f"Question {p}?", "word " * (n + 1)) for p in "pq" for n in range(5)}
    ranked = [
        Judgment("anna", f"p{a}", f"p{b}", "a", judged_at="2026-01-01", weight=0.4) for a in range(5) for b in range(a)
    ]
    snapshot = Snapshot(responses, tuple(ranked), "0" * 64)
    (pairs,) = drawn_pairs(snapshot, ranked, frozenset(), replace(SETTINGS, foretold=1.0)).values()
    assert len(pairs) == 4
    assert {key[0] for pair in pairs for key in pair} == {"q"}


def test_a_prompt_that_is_to_be_kept_aside_once_it_is_judged_is_not_learnt_before(shared: Snapshot) -> None:
    """Anna decided half of the prompts; the other ones, too, are on the side that their hash says."""
    half = [each for each in shared.judgments if each.annotator == "bert" or int(each.a.split("-")[0]) < PROMPTS // 2]
    fewer = replace(shared, judgments=tuple(half))
    later = aside_of(shared, "anna") - {
        each.conversation[-1]["content"] for each in examples_for(fewer, "anna").held_out
    }
    assert later
    assert aside_of(fewer, "anna") == aside_of(shared, "anna")
    own = [each for each in half if each.annotator == "anna"]
    pairs = drawn_pairs(fewer, own, aside_of(fewer, "anna"), replace(SETTINGS, foretold=20.0))["anna"]
    assert not {fewer.responses[key].prompt for pair in pairs for key in pair} & later


def test_everybody_is_foretold_their_own_taste(shared: Snapshot, tmp_path: Path) -> None:
    for who, likes_long in (("anna", False), ("bert", True)):
        pairs = added(shared, tmp_path / who, who)
        assert {each.annotator for each in pairs} == {who}
        right = [(len(each.chosen) > len(each.rejected)) == likes_long for each in pairs]
        assert sum(right) >= 0.9 * len(right)


def test_two_people_of_opposite_tastes_are_told_apart(shared: Snapshot, tmp_path: Path) -> None:
    pairs = added(shared, tmp_path)
    for who in ("anna", "bert"):
        right = [(len(each.chosen) > len(each.rejected)) == (who == "bert") for each in pairs if each.annotator == who]
        assert sum(right) >= 0.7 * len(right) > 0


def test_a_pair_tells_as_much_as_the_model_is_sure(shared: Snapshot, tmp_path: Path) -> None:
    soft = added(shared, tmp_path / "soft", "anna")
    hard = added(shared, tmp_path / "dpo", "anna", settings=replace(SETTINGS, method="dpo"))
    assert [each.chosen for each in soft] == [each.chosen for each in hard]
    assert {each.weight for each in soft} == {1.0}
    assert {each.target for each in hard} == {1.0}
    assert all(0.5 <= each.target < 1 for each in soft)
    assert [each.weight for each in hard] == pytest.approx([2 * each.target - 1 for each in soft])
    near, far = (
        [each.target for each in soft if (abs(len(each.chosen) - len(each.rejected)) > 120) == wide]
        for wide in (False, True)
    )
    assert min(len(near), len(far)) > 5
    assert sum(near) / len(near) < sum(far) / len(far)


def test_the_reward_model_sees_nothing_that_is_kept_aside(
    shared: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Snapshot] = []
    create = rewards.create

    def listening(name: str, **options: Any) -> Any:
        model = create(name, **options)
        fit = model.fit

        def heard(snapshot: Snapshot, *rest: Any, **more: Any) -> Any:
            seen.append(snapshot)
            return fit(snapshot, *rest, **more)

        monkeypatch.setattr(model, "fit", heard)
        return model

    monkeypatch.setattr(foretelling.rewards, "create", listening)
    aside = aside_of(shared, "anna")
    pairs = added(shared, tmp_path, "anna")
    assert aside
    assert not {each.conversation[-1]["content"] for each in pairs} & aside
    assert {each.annotator for each in seen[0].judgments} == {"anna"}
    assert not {each.prompt for each in seen[0].responses.values()} & aside
    assert len(seen[0].judgments) == 2 * (PROMPTS - len(aside))


def test_they_are_kept_for_a_run_that_goes_on(
    shared: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = foretold(shared, tmp_path, "anna")
    lines = (tmp_path / FORETOLD_FILE).read_text().splitlines()
    assert first.notes[-1].startswith(f"{len(lines)} pairs that their annotators had not judged")

    def never(name: str, **_options: Any) -> Any:
        raise AssertionError(f"{name} was made again")

    monkeypatch.setattr(foretelling.rewards, "create", never)
    assert foretold(shared, tmp_path, "anna") == first


def test_a_stop_is_heard_while_the_reward_model_learns_and_leaves_nothing(shared: Snapshot, tmp_path: Path) -> None:
    told: list[Mapping[str, float | int | str]] = []
    with pytest.raises(Cancelled, match="a reward model learnt what to foretell"):
        with_foretold(
            examples_for(shared),
            shared,
            SETTINGS,
            tmp_path,
            tell=told.append,
            asked_to_stop=lambda: len(told) >= 3,
        )
    assert [each["stage"] for each in told] == ["encoding", "foretold", "foretold"]
    assert not (tmp_path / FORETOLD_FILE).exists()


def test_where_everything_was_judged_the_run_says_so(tmp_path: Path) -> None:
    responses = {
        f"{n}{side}": Response(f"{n}{side}", f"Question {n}?", f"Text {n} {side}.") for n in range(6) for side in "ab"
    }
    snapshot = Snapshot(responses, tuple(Judgment("anna", f"{n}a", f"{n}b", "a") for n in range(6)), "0" * 64)
    settings = replace(SETTINGS, held_out=0.0)
    found = foretold(snapshot, tmp_path, settings=settings)
    assert found.train == examples_for(snapshot, settings=settings).train
    assert found.notes[-1].startswith("There are no two responses to a prompt that whoever")


@pytest.mark.parametrize("more", [{"shots": 2}, {"directions": 2}])
def test_under_shots_and_directions_nothing_is_foretold(more: dict[str, int]) -> None:
    with pytest.raises(BadData, match="foretold pairs go neither with shots nor with directions"):
        PolicySettings(foretold=1.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("encoder", ["bert", "tokens", 5, ["style"], None])
def test_an_encoder_that_will_not_do_is_refused(encoder: object) -> None:
    with pytest.raises(BadData, match=r"bert' is not known|encoder is .*; expected the name"):
        PolicySettings(foretold=1.0, encoder=encoder)  # type: ignore[arg-type]


def test_another_process_waits_for_the_first_ones_and_hears_a_stop(
    shared: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(Cancelled, match="while it made pairs"):
        with_foretold(examples_for(shared), shared, SETTINGS, tmp_path, tell=lambda _: None, asked_to_stop=lambda: True)
    monkeypatch.setenv("RANK", "0")
    first = foretold(shared, tmp_path, "anna")
    monkeypatch.setenv("RANK", "1")
    assert foretold(shared, tmp_path, "anna") == first


def test_vectors_that_somebody_has_are_not_made_again(shared: Snapshot, tmp_path: Path) -> None:
    """The vectors that lie in the work folder are all the same, so that nothing carries over to another response."""
    texts = [(each.prompt, each.text) for each in shared.responses.values()]
    digests = [content_digest(*each) for each in texts]
    known = dict(zip(digests, 0 * get_encoder("style").encode(texts), strict=True))
    FileStore(tmp_path / VECTORS_FOLDER).put_many("style", known)
    assert max(each.target for each in added(shared, tmp_path / "none", "anna")) > 0.9
    assert max(each.target for each in added(shared, tmp_path, "anna")) < 0.7


def test_judgments_come_before_what_is_foretold_of_them(shared: Snapshot, tmp_path: Path) -> None:
    ordered = curriculum(foretold(shared, tmp_path, "anna", settings=replace(SETTINGS, method="dpo")).train)
    marks = [each.judged for each in ordered]
    assert marks == sorted(marks, reverse=True)
    assert {*marks} == {True, False}


def test_a_run_learns_them_beside_the_judgments(micro: Path, judged: Snapshot, tmp_path: Path) -> None:
    settings = PolicySettings(
        base=str(micro),
        method="soft",
        epochs=1,
        batch=4,
        rank=4,
        samples=0,
        held_out=0.2,
        foretold=1.0,
        encoder="style",
    )
    again = {}
    for key, each in judged.responses.items():
        again[f"{key}+"] = replace(each, id=f"{key}+", text=f"{each.text} Indeed.")
    wider = replace(judged, responses={**judged.responses, **again})
    reports = [
        fit_policy(wider, settings, out=tmp_path / each, work=tmp_path / f"{each}.work") for each in ("one", "two")
    ]
    lines = (tmp_path / "one.work" / FORETOLD_FILE).read_text().splitlines()
    assert lines
    assert (tmp_path / "two.work" / FORETOLD_FILE).read_text().splitlines() == lines
    described = describe(tmp_path / "one", reports[0].digest)
    alone = fit_policy(wider, replace(settings, foretold=0.0), out=tmp_path / "off", work=tmp_path / "off.work")
    learnt = describe(tmp_path / "off", alone.digest)["counts"]
    assert described["counts"] == learnt | {"made": len(lines)}
    assert learnt["made"] == 0
    card = (tmp_path / "one" / "README.md").read_text()
    assert f"on {learnt['train']} judgments, and on {len(lines)} pairs that nobody judged" in card
    assert any(note.startswith(f"{len(lines)} pairs that their annotators") for note in described["notes"])
    assert reports[0].metrics["held_out_margin"] == pytest.approx(reports[1].metrics["held_out_margin"], abs=1e-6)
