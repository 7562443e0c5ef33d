"""Tokens and log-probabilities: padding changes nothing, spans and turns weigh what they should."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from attune.data import Judgment, Response, Snapshot
from attune.errors import BadData
from attune.policies import batches
from attune.policies.base import load_base
from attune.policies.batches import Encoder, by_row, collate, log_probs, pairs_of, tensors
from attune.policies.examples import (
    TIES_METHODS,
    Example,
    Ranking,
    conversation_of,
    curriculum,
    described_by,
    examples_of,
    rankings_of,
    shots_of,
    with_shots,
)
from attune.policies.losses import METHODS
from attune.policies.settings import METHODS as NAMES
from attune.policies.settings import PolicySettings

ASK = ({"role": "user", "content": "How?"},)


def encoder(micro: Path, discount: float = 1.0, **settings: object) -> Encoder:
    base = load_base(str(micro))
    return Encoder(base.tokenizer, PolicySettings(**settings), context=256, discount=discount)  # type: ignore[arg-type]


def test_padding_changes_no_log_probability(micro: Path) -> None:
    base = load_base(str(micro))
    enc = Encoder(base.tokenizer, PolicySettings(), context=256)
    long = ({"role": "user", "content": "How would you do it, if you had to do it now?"},)
    rows = enc.rows(
        [Example(ASK, "Go now.", "Yes, soon.", "u"), Example(long, "No.", "Try it once.", "u")], chosen_first=[True] * 2
    )
    sequences = [each for row in rows for each in (row.chosen, row.rejected)]
    with torch.no_grad():
        together = log_probs(base.model, tensors(sequences, base.tokenizer.pad_token_id))
        alone = [log_probs(base.model, tensors([each], base.tokenizer.pad_token_id)).item() for each in sequences]
    assert together.tolist() == pytest.approx(alone, abs=1e-4)
    ordered = [row.chosen for row in rows] + [row.rejected for row in rows]
    assert collate(rows, 0)["lengths"].tolist() == [len(each.response) for each in ordered]


def test_a_cpu_computes_little_padding_and_the_same_gradient(micro: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = load_base(str(micro))
    words = ["Go.", "Yes, soon. " * 8, "No.", "Try it once, " * 5, "Now.", "Wait a little. " * 7]
    rows = encoder(micro).rows(
        [Example(ASK, one, other, "u") for one, other in pairwise([*words, "Ask."])], chosen_first=[True] * len(words)
    )
    batch = collate(rows, base.tokenizer.pad_token_id)
    computed: list[int] = []
    base.model.register_forward_pre_hook(
        lambda _model, _args, told: computed.append(told["input_ids"].numel()), with_kwargs=True
    )

    def summed_and_gradient() -> tuple[torch.Tensor, torch.Tensor, int]:
        computed.clear()
        summed = log_probs(base.model, batch)
        gradient = torch.autograd.grad((summed**2).sum(), base.model.get_input_embeddings().weight)[0]
        return summed.detach(), gradient, sum(computed)

    few, few_gradient, few_tokens = summed_and_gradient()
    monkeypatch.setattr(batches, "CPU_SEQUENCES", len(batch["input_ids"]))
    whole, whole_gradient, whole_tokens = summed_and_gradient()
    assert torch.allclose(few, whole, atol=1e-4)
    assert torch.allclose(few_gradient, whole_gradient, rtol=1e-4, atol=1e-4 * whole_gradient.abs().max().item())
    assert few_tokens < 0.7 * whole_tokens


def test_log_probabilities_are_those_of_the_model(micro: Path) -> None:
    base = load_base(str(micro))
    (row,) = Encoder(base.tokenizer, PolicySettings(), context=256).rows(
        [Example(ASK, "Go now.", "No.", "u")], chosen_first=[True]
    )
    ids = torch.tensor([row.chosen.prompt + row.chosen.response])
    with torch.no_grad():
        logs = base.model(ids).logits.log_softmax(-1)[0]
        found = log_probs(base.model, tensors([row.chosen], 2)).item()
    start = len(row.chosen.prompt)
    expected = sum(logs[place - 1, ids[0, place]].item() for place in range(start, ids.shape[1]))
    assert found == pytest.approx(expected, abs=1e-4)


def test_marked_tokens_weigh_more(micro: Path) -> None:
    enc = encoder(micro, span_weight=3.0)
    example = Example(ASK, "Go now. Yes, soon.", "No.", "u", chosen_spans=((0, 7),))
    (row,) = enc.rows([example], chosen_first=[True])
    marked = [
        weight for weight, token in zip(row.chosen.weights, row.chosen.response, strict=True) if weight == 3.0 and token
    ]
    assert 0 < len(marked) < len(row.chosen.weights)
    assert row.chosen.weights[0] == 3.0
    assert row.chosen.weights[-1] == 1.0
    assert set(row.rejected.weights) == {1.0}


def test_turns_are_discounted(micro: Path) -> None:
    enc = encoder(micro, discount=0.5, method="cpl")
    talk = (*ASK, {"role": "assistant", "content": "Go now."}, {"role": "user", "content": "And then?"})
    (row,) = enc.rows([Example(talk, "Yes.", "No.", "u")], chosen_first=[True])
    weights = row.chosen.weights
    assert set(weights) == {1.0, 0.0, 0.5}
    assert weights == sorted(weights, key=lambda each: (1.0, 0.0, 0.5).index(each))
    whole = enc.tokenizer.apply_chat_template([*talk, {"role": "assistant", "content": "Yes."}], tokenize=False)
    assert enc.tokenizer(whole, add_special_tokens=False)["input_ids"] == row.chosen.prompt + row.chosen.response


def test_conversations_come_back_from_flat_text() -> None:
    flat = "user: Hi.\n\nassistant: Hello.\nHow are you?\n\nuser: Fine."
    assert [each["role"] for each in conversation_of(flat)] == ["user", "assistant", "user"]
    assert conversation_of(flat)[1]["content"] == "Hello.\nHow are you?"
    assert conversation_of("Just asking: why?") == ({"role": "user", "content": "Just asking: why?"},)


def test_the_names_known_without_torch_are_the_registered_ones() -> None:
    assert set(NAMES) == METHODS.keys()
    assert {name for name, method in METHODS.items() if method.ties} == TIES_METHODS


def test_spans_of_a_snapshot_reach_the_side_they_were_marked_on() -> None:
    responses = {key: Response(key, "How?", text) for key, text in (("x", "Go now, please."), ("y", "No."))}
    said = Judgment("u", "x", "y", "b", spans=("a-0:6", "b+0:2"))
    other = Judgment("u", "y", "x", "b")
    found = examples_of(Snapshot(responses, (said, other), "d"), method="dpo", held_out=0.0, seed=0)
    assert (found.train[0].chosen, found.train[0].chosen_spans) == ("No.", ((0, 2),))
    assert found.train[0].rejected_spans == ((0, 6),)


def ranking(who: str, tiers: list[list[str]], at: str) -> list[Judgment]:
    """A ranking as a snapshot holds it: every two of its responses, each with the weight 2/n."""
    placed = [(key, place) for place, keys in enumerate(tiers) for key in keys]
    return [
        Judgment(who, one, other, "tie" if place == below else "a", judged_at=at, weight=2 / len(placed))
        for number, (one, place) in enumerate(placed)
        for other, below in placed[number + 1 :]
    ]


def test_rankings_are_put_together_again() -> None:
    first, second = ranking("u", [["x"], ["y", "z"], ["w"]], "1"), ranking("v", [["y"], ["x"], ["z"]], "1")
    tied = ranking("u", [["x", "y", "z"]], "2")
    rated = [
        Judgment("u", "y", "x", "a", judged_at="3", weight=0.5),
        Judgment("u", "y", "z", "a", judged_at="3", weight=0.5),
    ]
    pair = Judgment("u", "x", "w", "a", judged_at="4")
    found, others = rankings_of([*second, *first, *tied, *rated, pair])
    assert found == [Ranking("v", (("y",), ("x",), ("z",))), Ranking("u", (("x",), ("y", "z"), ("w",)))]
    assert others == [*rated, pair]


def test_a_ranking_is_one_example_for_listwise_and_its_comparisons_for_others() -> None:
    responses = {key: Response(key, "How?", f"Answer {key}.") for key in "xyz"}
    snapshot = Snapshot(responses, tuple(ranking("u", [["x"], ["y"], ["z"]], "1")))
    (example,) = examples_of(snapshot, method="listwise", held_out=0.0, seed=0).train
    assert (example.chosen, example.between, example.rejected) == ("Answer x.", ("Answer y.",), "Answer z.")
    assert example.tiers == (0, 1, 2)
    assert example.weight == 1.0
    pairs = examples_of(snapshot, method="dpo", held_out=0.0, seed=0).train
    assert [(each.chosen, each.rejected) for each in pairs] == [
        ("Answer x.", "Answer y."),
        ("Answer x.", "Answer z."),
        ("Answer y.", "Answer z."),
    ]
    assert {each.weight for each in pairs} == {2 / 3}
    assert [each.rejected for each in curriculum(pairs)] == ["Answer z.", "Answer y.", "Answer z."]
    assert [each.gap for each in curriculum(pairs)] == [1.0, 0.5, 0.5]


def test_a_batch_knows_each_rankings_order(micro: Path) -> None:
    base = load_base(str(micro))
    enc = Encoder(base.tokenizer, PolicySettings(method="listwise"), context=256)
    of_four = Example(ASK, "Go now.", "No.", "u", between=("Yes, soon.", "Try it once."), tiers=(0, 1, 1, 2))
    rows = enc.rows([Example(ASK, "Just do it.", "No.", "u"), of_four], chosen_first=[True] * 2)
    rows[1].ref_between = (-1.0, -2.0)
    batch = collate(rows, base.tokenizer.pad_token_id)
    with torch.no_grad():
        summed = log_probs(base.model, batch)
        alone = [
            log_probs(base.model, tensors([each], 2)).item()
            for each in (rows[1].chosen, *rows[1].between, rows[1].rejected)
        ]
    pairs = pairs_of(batch, summed)
    assert pairs.ranked is not None
    assert pairs.ranked.tiers.tolist() == [[0, 1, -1, -1], [0, 1, 1, 2]]
    assert by_row(batch, summed)[1] == pytest.approx(alone, abs=1e-4)
    expected = [alone[0], alone[1] + 1, alone[2] + 2, alone[3]]
    assert pairs.ranked.ratios[1].tolist() == pytest.approx(expected, abs=1e-4)
    assert pairs.chosen.tolist()[1] == pytest.approx(alone[0], abs=1e-4)
    assert pairs.rejected.tolist()[1] == pytest.approx(alone[3], abs=1e-4)


def few(count: int) -> Snapshot:
    """Two annotators who judge as many prompts, each of them the other way round."""
    responses = {
        f"{number}{side}": Response(f"{number}{side}", f"How {number}?", f"{text} {number}.")
        for number in range(count)
        for side, text in (("x", "Go"), ("y", "Wait"))
    }
    said = [
        Judgment(who, f"{number}x", f"{number}y", "a" if who == "u" else "b")
        for who in ("u", "v")
        for number in range(count)
    ]
    return Snapshot(responses, tuple(said))


def test_shots_are_of_the_same_annotator_and_of_other_prompts() -> None:
    examples = examples_of(few(12), method="ipo_sum", held_out=0.3, seed=1)
    assert examples.held_out
    shown = with_shots(examples, 3, seed=0)
    learnt = {each.conversation[-1]["content"] for each in examples.train}
    assert {len(each.shots) for each in shown.train} == {0, 1, 2, 3}
    assert {len(each.shots) for each in shown.held_out} == {3}
    for each in (*shown.train, *shown.held_out):
        liked = "Go" if each.annotator == "u" else "Wait"
        assert all(shot.preferred.startswith(liked) and shot.question in learnt for shot in each.shots)
        assert each.conversation[-1]["content"] not in {shot.question for shot in each.shots}
    assert with_shots(examples, 3, seed=0) == shown


def test_shots_stand_before_the_question_and_go_where_there_is_no_room(micro: Path) -> None:
    shots = tuple(shots_of(few(3), "v", 8))
    assert [each.preferred for each in shots] == ["Wait 0.", "Wait 1.", "Wait 2."]
    assert [each.question for each in shots_of(few(3), "v", 1)] == ["How 2?"]
    with pytest.raises(BadData, match="hold none by 'w'"):
        shots_of(few(3), "w", 8)
    example = Example(ASK, "Go now.", "No.", "v", shots=shots)
    enc = encoder(micro)
    (row,) = enc.rows([example], chosen_first=[True])
    prompt = enc.tokenizer.decode(row.chosen.prompt)
    assert prompt.index("Preferred:\nWait 0.") < prompt.index("Not preferred:\nGo 2.") < prompt.index("How?")
    assert enc.shots_dropped == 0
    tight = encoder(micro, max_length=len(row.chosen) - 1)
    (row,) = tight.rows([example], chosen_first=[True])
    assert tight.shots_dropped == 1
    assert "Wait 1." in tight.tokenizer.decode(row.chosen.prompt)
    assert "Wait 2." not in tight.tokenizer.decode(row.chosen.prompt)


def test_a_reader_is_described_as_given_or_as_the_shots_show_it(micro: Path) -> None:
    examples = examples_of(few(6), method="dpo", held_out=0.2, seed=0)
    given = with_shots(examples, 3, 0, describe=True, given={"v": "likes jam"})
    assert {each.reader for each in given.train if each.annotator == "v"} == {"likes jam"}
    shown = with_shots(examples, 3, 0, describe=True)
    assert all(each.reader == described_by(each.shots) for each in shown.train)
    assert any(each.reader for each in shown.train)
    assert not any(each.reader for each in with_shots(examples, 3, 0).train)
    shots = tuple(shots_of(few(3), "v", 2))
    example = Example(ASK, "Go now.", "No.", "v", shots=shots, reader="likes jam")
    enc = encoder(micro, describe="written", shots=2)
    [row] = enc.rows([example], chosen_first=[True])
    told = enc.tokenizer.decode(row.chosen.prompt)
    assert "The reader: likes jam" in told
    assert row.reader
    asked, written = enc.tokenizer.decode(row.reader.prompt), enc.tokenizer.decode(row.reader.response)
    assert "Describe the reader." in asked
    assert "likes jam" not in asked
    assert "likes jam" in written
    batch = collate([row], enc.tokenizer.pad_token_id)
    assert batch["reader_weights"].sum() == len(row.reader.response)
    [plain] = encoder(micro, describe="given", shots=2).rows([example], chosen_first=[True])
    assert plain.reader is None
    assert "reader_weights" not in collate([plain], enc.tokenizer.pad_token_id)
