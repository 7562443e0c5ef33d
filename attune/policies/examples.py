"""From a snapshot's judgments to what a policy learns: conversations with two responses and what was said of them."""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from attune.data import SPAN, Judgment, Snapshot
from attune.errors import BadData
from attune.fspo.describing import described
from attune.fspo.prompts import Shot
from attune.policies.prompts import Message
from attune.rewards.strengths import GRADES

TARGETS: Mapping[int | None, float] = {None: 1.0, **GRADES}
"""P(chosen ≻ rejected) that a strength stands for, where the method reads soft labels."""

SOFT_METHODS = frozenset({"soft", "sppo", "inpo", "dno"})
"""Methods that read how sure a preference is."""
TIES_METHODS = SOFT_METHODS | {"kto"}
_TURN = re.compile(r"(?:\A|\n\n)(system|user|assistant): ")


@dataclass(frozen=True, slots=True)
class Example:
    """One judgment of two responses. Spans are (start, end) characters that the annotator marked.

    Of a ranking, ``chosen`` and ``rejected`` are its ends, ``between`` the responses that were put between them, best first, and
    ``tiers`` the place of each, tied ones sharing theirs; ``gap`` of a comparison out of a ranking says how many places lie between
    the two, as a share of the most there can be. ``weight`` is the judgment's: below 1 where one act makes several. Of a pair that a
    preference model judged, ``wins`` holds the win rates of chosen and rejected against the policy's own samples. ``direction`` stands
    in the prompt, and the response that it prefers is the chosen one. Of a pair that was made for a run (``attune.policies.kept_pairs``) no
    person ``judged`` anything.
    """

    conversation: tuple[Message, ...]
    chosen: str
    rejected: str
    annotator: str
    target: float = 1.0
    degree: int = 0
    both_bad: bool = False
    rationale: str = ""
    chosen_spans: tuple[tuple[int, int], ...] = ()
    rejected_spans: tuple[tuple[int, int], ...] = ()
    group: int = 0
    weight: float = 1.0
    between: tuple[str, ...] = ()
    tiers: tuple[int, ...] = (0, 1)
    shots: tuple[Shot, ...] = ()
    gap: float = 1.0
    wins: tuple[float, float] | None = None
    direction: tuple[float, ...] = ()
    reader: str = ""
    """What is known in words of whom the answer is for."""
    judged: bool = True


@dataclass(frozen=True, slots=True)
class Examples:
    """What is learnt from and what is kept aside, with remarks on what was left out."""

    train: Sequence[Example]
    held_out: Sequence[Example]
    notes: Sequence[str] = field(default_factory=tuple)


def conversation_of(prompt: str) -> tuple[Message, ...]:
    """The inverse of ``attune.data.flatten_prompt``: a text without turns is one message of the user."""
    cuts = list(_TURN.finditer(prompt))
    if not cuts or cuts[0].start() != 0:
        return ({"role": "user", "content": prompt},)
    ends = [cut.start() for cut in cuts[1:]] + [len(prompt)]
    return tuple(
        {"role": cut.group(1), "content": prompt[cut.end() : end]} for cut, end in zip(cuts, ends, strict=True)
    )


def examples_of(
    snapshot: Snapshot,
    *,
    method: str,
    held_out: float,
    seed: int,
    annotators: Collection[str] | None = None,
    groups: Mapping[str, int] | None = None,
) -> Examples:
    """The judgments of ``annotators`` (None: of everybody), split by prompt into train and held-out.

    Ties go to methods that read them, both-bad to ``kto``. Raises ``BadData`` where nothing can be learnt: no judgments,
    none decided, or only comparisons of equal texts.
    """
    if not snapshot.judgments:
        raise BadData("The snapshot holds no judgments; collect or import some first.")
    mine = [each for each in snapshot.judgments if annotators is None or each.annotator in annotators]
    if not mine:
        raise BadData(f"The snapshot's {len(snapshot.judgments)} judgments are all by other annotators.")
    found, left_out = [], Counter[str]()
    if method == "listwise":
        rankings, mine = rankings_of(mine)
        found += [_ranked(snapshot, each, (groups or {}).get(each.annotator, 0)) for each in rankings]
    gaps = _gaps(mine)
    for judgment in mine:
        if reason := _unfit(snapshot, judgment, method):
            left_out[reason] += 1
        else:
            example = _example(snapshot, judgment, (groups or {}).get(judgment.annotator, 0))
            found.append(replace(example, gap=gaps.get(id(judgment), 1.0)))
    notes = [f"{count} of {len(mine)} judgments were left out: {reason}." for reason, count in left_out.items()]
    if not any(each.target > 0.5 for each in found):
        raise BadData(" ".join(["No judgment is left that prefers one response over another.", *notes]))
    _check_two_sided(found, method)
    return split_by_prompt(found, held_out, seed, notes)


def _unfit(snapshot: Snapshot, judgment: Judgment, method: str) -> str:
    """Why a method cannot learn from the judgment; nothing where it can."""
    if judgment.choice == "tie" and method not in TIES_METHODS:
        return f"ties, which {method} cannot learn from"
    if judgment.choice == "both_bad" and method != "kto":
        return f"both were bad, which {method} cannot learn from"
    if snapshot.responses[judgment.a].text.strip() == snapshot.responses[judgment.b].text.strip():
        return "the chosen response is equal to the rejected one"
    return ""


def _example(snapshot: Snapshot, judgment: Judgment, group: int) -> Example:
    chosen, rejected = (judgment.b, judgment.a) if judgment.choice == "b" else (judgment.a, judgment.b)
    decided = judgment.choice in ("a", "b")
    return Example(
        conversation=conversation_of(snapshot.responses[chosen].prompt),
        chosen=snapshot.responses[chosen].text,
        rejected=snapshot.responses[rejected].text,
        annotator=judgment.annotator,
        target=TARGETS[judgment.strength] if decided else 0.5,
        degree=(judgment.strength or 0) if decided else 0,
        both_bad=judgment.choice == "both_bad",
        rationale=_reason(judgment) if decided else "",
        chosen_spans=_marked(judgment, "b" if judgment.choice == "b" else "a"),
        rejected_spans=_marked(judgment, "a" if judgment.choice == "b" else "b"),
        group=group,
        weight=judgment.weight,
    )


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one annotator ranked at once: ids in tiers, best first, tied ones together."""

    annotator: str
    tiers: tuple[tuple[str, ...], ...]


def rankings_of(judgments: Sequence[Judgment]) -> tuple[list[Ranking], list[Judgment]]:
    """Rankings put together again from the comparisons that a snapshot holds of them, and the judgments that are of none.

    A ranking of n stands there as n(n − 1)/2 comparisons of one annotator and moment, each of weight 2/n. One in which all
    are tied prefers nothing and is left out of both.
    """
    found, taken = [], set[int]()
    for act, wins in _acts(judgments):
        taken.update(map(id, act))
        tiers = tuple(tuple(key for key in wins if wins[key] == won) for won in sorted({*wins.values()}, reverse=True))
        if len(tiers) > 1:
            found.append(Ranking(act[0].annotator, tiers))
    return found, [each for each in judgments if id(each) not in taken]


def _acts(judgments: Sequence[Judgment]) -> Iterator[tuple[list[Judgment], dict[str, float]]]:
    """The comparisons of each ranking, with what ``_wins`` says of them."""
    acts: dict[tuple[str, str], list[Judgment]] = defaultdict(list)
    for each in judgments:
        if each.weight < 1 and each.judged_at:
            acts[each.annotator, each.judged_at].append(each)
    for act in acts.values():
        wins = _wins(act)
        if len(act) * 2 == len(wins) * (len(wins) - 1) and all(abs(each.weight * len(wins) - 2) < 1e-6 for each in act):
            yield act, wins


def _gaps(judgments: Sequence[Judgment]) -> dict[int, float]:
    """``Example.gap`` of the comparisons that are out of rankings, by their identity."""
    return {
        id(each): abs(wins[each.a] - wins[each.b]) / (len(wins) - 1) for act, wins in _acts(judgments) for each in act
    }


def _wins(act: Sequence[Judgment]) -> dict[str, float]:
    """How many of the others each response beats, ties counting half: the same for tied ones."""
    wins: dict[str, float] = defaultdict(float)
    for each in act:
        for key, side in ((each.a, "a"), (each.b, "b")):
            wins[key] += 1.0 if each.choice == side else 0.0 if each.choice in ("a", "b") else 0.5
    return dict(wins)


def _ranked(snapshot: Snapshot, ranking: Ranking, group: int) -> Example:
    ordered = [(key, tier) for tier, keys in enumerate(ranking.tiers) for key in keys]
    texts = [snapshot.responses[key].text for key, _ in ordered]
    return Example(
        conversation=conversation_of(snapshot.responses[ordered[0][0]].prompt),
        chosen=texts[0],
        rejected=texts[-1],
        annotator=ranking.annotator,
        group=group,
        between=tuple(texts[1:-1]),
        tiers=tuple(tier for _, tier in ordered),
    )


def _reason(judgment: Judgment) -> str:
    """The reason in words: the annotator's text, or else their tags."""
    if judgment.rationale.strip():
        return judgment.rationale.strip()
    said = []
    for tag in judgment.tags:
        sign = "good" if "+" in tag[:2] else "bad"
        whose = "preferred" if tag[:1] == judgment.choice else "other"
        said.append(f"The {whose} answer has {sign} {tag[2:].replace('_', ' ')}.")
    return " ".join(said)


def _marked(judgment: Judgment, side: str) -> tuple[tuple[int, int], ...]:
    """The stretches that the annotator marked on a side, whatever their sign: what the choice turned on."""
    found = [SPAN.fullmatch(each) for each in judgment.spans]
    return tuple((int(each[3]), int(each[4])) for each in found if each and each[1] == side)


def _check_two_sided(found: Sequence[Example], method: str) -> None:
    """One comparison told many times teaches nothing but itself."""
    kinds = {(each.chosen, each.rejected) for each in found if each.target > 0.5}
    if len(kinds) == 1 and len(found) > 1:
        raise BadData(
            f"The snapshot is one-sided: all {len(found)} judgments prefer the same response over the same other one;"
            f" {method} needs judgments of different pairs."
        )


def split_by_prompt(found: Sequence[Example], share: float, seed: int, notes: list[str]) -> Examples:
    """By prompt, so that no held-out prompt was learnt from. Every prompt's side is a hash: more data moves none."""
    train = [each for each in found if _place(each, seed) >= share]
    held_out = [each for each in found if _place(each, seed) < share and _decided(each)]
    if not any(map(_decided, train)):
        train, held_out = list(found), []
    if share and not held_out:
        notes.append("Too few prompts to keep some aside: nothing was measured on held-out judgments.")
    return Examples(train, held_out, tuple(notes))


def prompts_aside(snapshot: Snapshot, examples: Examples, share: float, seed: int) -> frozenset[str]:
    """The snapshot's prompts on the side that is kept aside, in its own words, whoever judged them or will; none where the examples keep
    nothing aside. ``share`` and ``seed`` are those of the examples."""
    prompts = {each.prompt for each in snapshot.responses.values()} if examples.held_out else set[str]()
    return frozenset(each for each in prompts if _place_of(conversation_of(each), seed) < share)


def _decided(each: Example) -> bool:
    return each.target > 0.5 or each.wins is not None


def with_shots(
    examples: Examples, most: int, seed: int, *, describe: bool = False, given: Mapping[str, str] | None = None
) -> Examples:
    """The same examples, each with judgments of its own annotator on other prompts to be shown before it (FSPO).

    A random number of them, up to ``most``, where it is learnt from, so that a policy knows people of whom little is known;
    as many as there are, up to ``most``, where it is kept aside. All are of those that are learnt from. To ``describe`` is to say
    what the annotator likes, too: as ``given`` by annotator, or else as the shots show it.
    """
    rng = Random(seed)  # noqa: S311 (no secret)
    told: dict[str, list[Example]] = defaultdict(list)
    for each in examples.train:
        if each.target > 0.5:
            told[each.annotator].append(each)

    def shown(example: Example, count: int) -> Example:
        others = [each for each in told[example.annotator] if each.conversation != example.conversation]
        drawn = rng.sample(others, min(count, len(others)))
        shots = tuple(Shot(each.conversation[-1]["content"], each.chosen, each.rejected) for each in drawn)
        reader = (given or {}).get(example.annotator) or described_by(shots) if describe else ""
        return replace(example, shots=shots, reader=reader)

    train = [shown(each, rng.randint(0, most)) for each in examples.train]
    return Examples(train, [shown(each, most) for each in examples.held_out], examples.notes)


def described_by(shots: Sequence[Shot]) -> str:
    """What a reader likes, in words, as their judgments show it; empty where there is none."""
    return described([(each.preferred, each.other) for each in shots])


def shots_of(snapshot: Snapshot, annotator: str, most: int) -> list[Shot]:
    """The annotator's last decided judgments, at most so many. Raises ``BadData`` where there is none."""
    said = [each for each in snapshot.judgments if each.annotator == annotator and each.choice in ("a", "b")]
    if not said:
        raise BadData(f"The {len(snapshot.judgments)} judgments hold none by {annotator!r} that prefers a response.")
    examples = [_example(snapshot, each, 0) for each in said[-most:]] if most else []
    return [Shot(each.conversation[-1]["content"], each.chosen, each.rejected) for each in examples]


def _place(example: Example, seed: int) -> float:
    return _place_of(example.conversation, seed)


def _place_of(conversation: Sequence[Message], seed: int) -> float:
    prompt = "\n".join(message["content"] for message in conversation)
    digest = hashlib.sha256(f"{seed}:{prompt}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def curriculum(examples: Iterable[Example]) -> list[Example]:
    """Easy to hard: the strongest preferences first, and of a ranking those that lie furthest apart (Curry-DPO, Pattnaik et al.
    2024); what nobody judged comes last. Stable."""
    return sorted(examples, key=lambda each: (not each.judged, -each.target * each.gap))
