"""Simulated annotators with known tastes, for the starter project and for measuring how well tastes are recovered.

The generative model. A response x has a style s(x) ∈ [−1, 1]⁶ (labelled by its writer) and a quality c(x), normal with
spread 0.3, on which all agree. Annotator u belongs to one of the prototypes below, has the taste t_u = prototype +
N(0, 0.25²) and

    reward   r_u(x) = 2.5 · ⟨t_u, s(x)⟩ + c(x)
    margin   m = (r_u(a) − r_u(b)) / τ_u + p_u · side,     log τ_u ~ N(log 0.8, 0.3²),  p_u ~ N(0.1, 0.15²)
    answer   P(a) : P(b) : P(tie) = e^{m/2} : e^{−m/2} : ν_u,  log ν_u ~ N(log 0.3, 0.5²)      (Davidson 1970)
    strength 1, 2 or 3 as |m + noise| passes 1.5 and 4; 1 whenever the answer goes against m
    both bad in place of a tie where even the better response is far below the annotator's average

with side = +1 when a was shown on the left, which is a fair coin. A rationale, where one is given, names the axis that
spoke most for the choice. Seconds taken grow with the words read and shrink with |m|, log-normally. All from one seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import combinations
from math import exp

import numpy as np
from numpy.typing import NDArray

from attune.data import Choice, Judgment, Response, flatten_prompt
from attune.errors import BadData

Floats = NDArray[np.float64]

AXES = ("detailed", "casual", "direct", "examples", "warm", "bulleted")

PROTOTYPES: Mapping[str, tuple[float, ...]] = {
    "to the point": (-0.9, 0.0, 0.7, -0.2, -0.2, 0.0),
    "good company": (0.1, 0.6, 0.0, 0.3, 0.9, -0.3),
    "office hours": (0.3, -0.9, 0.3, 0.0, -0.5, 0.3),
    "show me": (0.5, 0.1, 0.1, 0.9, 0.2, 0.0),
    "skimmer": (-0.3, 0.1, 0.4, -0.1, 0.0, 0.9),
    "fair-minded reader": (0.6, -0.3, -0.8, 0.2, 0.1, -0.5),
}
"""Weights on AXES. Together they pull each axis both ways: the pooled taste is mild and the personal one is not."""

REWARD_SCALE = 2.5
DEVIATION = 0.25
QUALITY_SPREAD = 0.3
STRENGTH_STEPS = (1.5, 4.0)
RATIONALE_SHARE = 0.35
BOTH_BAD_BELOW = -1.0
WORDS_PER_SECOND = 4.0
START = datetime(2026, 9, 1, 8, tzinfo=UTC)

REASONS: Mapping[tuple[str, int], tuple[str, str]] = {
    ("detailed", 1): ("It covers what I would have asked next.", "The other one leaves too much out."),
    ("detailed", -1): ("Short, and nothing is missing.", "The other one goes on for too long."),
    ("casual", 1): ("It talks like a person.", "The other one sounds like a form letter."),
    ("casual", -1): ("The tone is right for something serious.", "The other one is too chatty for me."),
    ("direct", 1): ("It tells me what to do.", "The other one hedges every sentence."),
    ("direct", -1): ("It says how sure one can be.", "The other one is too sure of itself."),
    ("examples", 1): ("The example made it click.", "The other one stays in the abstract."),
    ("examples", -1): ("It states the rule and stops.", "The other one buries the point in examples."),
    ("warm", 1): ("It is kind about it.", "The other one is cold."),
    ("warm", -1): ("No cheering, just the answer.", "The other one is trying too hard to be nice."),
    ("bulleted", 1): ("I could take it in at a glance.", "The other one is a wall of text."),
    ("bulleted", -1): ("It reads as one thought.", "The other one is a pile of bullet points."),
}
"""For each axis and direction two sentences; the first is of the chosen response, the second of the other."""

AXIS_TAGS: Mapping[str, tuple[str, str]] = {
    "detailed": ("length", "Length"),
    "casual": ("tone", "Tone"),
    "direct": ("directness", "Directness"),
    "warm": ("warmth", "Warmth"),
    "bulleted": ("layout", "Layout"),
    "examples": ("examples", "Examples"),
}
"""For each axis the (key, label) of the reason tag; good or bad is said by its sign."""

REASON_TAGS: tuple[tuple[str, str], ...] = tuple(AXIS_TAGS.values())


@dataclass(frozen=True, slots=True)
class StyledResponse:
    """A response with its style, (6,) along AXES."""

    id: str
    text: str
    style: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StyledPrompt:
    """A prompt of the starter project. ``prompt`` is a conversation of messages with role and content."""

    id: str
    topic: str
    prompt: tuple[Mapping[str, str], ...]
    responses: tuple[StyledResponse, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """A simulated annotator's truth. ``taste`` (6,) along AXES."""

    name: str
    prototype: str
    taste: tuple[float, ...]
    temperature: float
    position: float
    tie: float


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was simulated. ``seconds[i]`` is the time taken for ``judgments[i]``; both are in the order of judging."""

    responses: Mapping[str, Response]
    judgments: tuple[Judgment, ...]
    seconds: tuple[float, ...]
    people: Mapping[str, Person]
    styles: Mapping[str, tuple[float, ...]]
    quality: Mapping[str, float]

    def true_reward(self, annotator: str, response_id: str) -> float:
        """The reward that the annotator's answers came from, before temperature."""
        taste = self.people[annotator].taste
        pull = sum(t * s for t, s in zip(taste, self.styles[response_id], strict=True))
        return REWARD_SCALE * pull + self.quality[response_id]


def load_starter() -> list[StyledPrompt]:
    """The starter project's prompts, in the order of their files. Raises ``BadData`` with file, line and reason."""
    folder = files("attune.starter")
    names = sorted(each.name for each in folder.iterdir() if each.name.startswith("prompts_"))
    prompts = [
        styled_prompt(line, f"{name} line {number}")
        for name in names
        for number, line in enumerate((folder / name).read_text("utf-8").splitlines(), 1)
        if line.strip()
    ]
    ids = [prompt.id for prompt in prompts] + [each.id for prompt in prompts for each in prompt.responses]
    if repeated := {key for key in ids if ids.count(key) > 1}:
        raise BadData(f"starter ids occur more than once: {', '.join(sorted(repeated))}")
    return prompts


def styled_prompt(line: str, where: str) -> StyledPrompt:
    """One line of a starter file. Raises ``BadData`` saying where and what is wrong."""
    try:
        row = json.loads(line)
        responses = tuple(
            StyledResponse(each["id"], each["text"], tuple(float(each["style"][axis]) for axis in AXES))
            for each in row["responses"]
        )
        prompt = StyledPrompt(row["id"], row["topic"], tuple(row["prompt"]), responses)
        flatten_prompt(prompt.prompt)
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(
            f"{where}: {type(error).__name__} {error}; expected id, topic, prompt and responses with styles"
        ) from None
    for each in prompt.responses:
        if not each.text.strip() or any(abs(value) > 1 for value in each.style):
            raise BadData(f"{where}: response {each.id!r} has no text or a style outside −1…1")
    return prompt


def simulate(
    prompts: Sequence[StyledPrompt],
    *,
    annotators: int = 48,
    judgments: int = 4000,
    seed: int,
    quality: Mapping[str, float] | None = None,
) -> Simulation:
    """Judgments of simulated annotators, spread evenly over annotators and pairs. Nobody judges a pair twice.

    A pair is judged by judgments / pairs people, give or take one. ``quality`` of an earlier simulation puts new people in
    the same world. Raises ``BadData`` where there are too few pairs.
    """
    rng = np.random.default_rng(seed)
    responses = {
        each.id: Response(each.id, flatten_prompt(prompt.prompt), each.text, prompt.topic)
        for prompt in prompts
        for each in prompt.responses
    }
    people = {person.name: person for person in _people(annotators, rng)}
    styles = {each.id: each.style for prompt in prompts for each in prompt.responses}
    drawn = rng.normal(0, QUALITY_SPREAD, len(styles))
    quality = quality or dict(zip(styles, map(float, drawn), strict=True))
    world = Simulation(responses, (), (), people, styles, quality)
    pairs = [pair for prompt in prompts for pair in combinations([each.id for each in prompt.responses], 2)]
    average = {name: float(np.mean([world.true_reward(name, key) for key in styles])) for name in people}
    said, seconds = [], []
    for number, (name, pair) in enumerate(_turns(list(people), pairs, judgments, rng)):
        a, b = pair if rng.random() < 0.5 else pair[::-1]
        at = START + timedelta(minutes=15 * number)
        judgment, taken = _judge(world, people[name], a, b, average[name], at, rng)
        said.append(judgment)
        seconds.append(taken)
    return Simulation(responses, tuple(said), tuple(seconds), people, styles, quality)


def _people(count: int, rng: np.random.Generator) -> list[Person]:
    names = list(PROTOTYPES)
    return [
        Person(
            name=f"simulated-{number + 1:02d}",
            prototype=(prototype := names[number % len(names)]),
            taste=tuple(float(t) for t in np.array(PROTOTYPES[prototype]) + rng.normal(0, DEVIATION, len(AXES))),
            temperature=0.8 * exp(rng.normal(0, 0.3)),
            position=float(rng.normal(0.1, 0.15)),
            tie=0.3 * exp(rng.normal(0, 0.5)),
        )
        for number in range(count)
    ]


def _turns(
    people: Sequence[str], pairs: Sequence[tuple[str, str]], judgments: int, rng: np.random.Generator
) -> list[tuple[str, tuple[str, str]]]:
    """Who judges which pair, in order. Each person works through the least-judged pairs that they have not seen."""
    if judgments > len(people) * len(pairs):
        raise BadData(f"{judgments} judgments by {len(people)} annotators need more than {len(pairs)} pairs")
    seen = np.zeros((len(people), len(pairs)), bool)
    counts = np.zeros(len(pairs))
    turns = []
    for number in range(judgments):
        if number % len(people) == 0:
            order = rng.permutation(len(people))
        person = int(order[number % len(people)])
        pair = int(np.argmin(counts + rng.random(len(pairs)) + 1e6 * seen[person]))
        seen[person, pair] = True
        counts[pair] += 1
        turns.append((people[person], pairs[pair]))
    return turns


def _judge(
    world: Simulation, person: Person, a: str, b: str, average: float, at: datetime, rng: np.random.Generator
) -> tuple[Judgment, float]:
    swapped = bool(rng.random() < 0.5)
    rewards = world.true_reward(person.name, a), world.true_reward(person.name, b)
    margin = (rewards[0] - rewards[1]) / person.temperature + (-1 if swapped else 1) * person.position
    odds = np.array([exp(margin / 2), exp(-margin / 2), person.tie])
    choice: Choice = ("a", "b", "tie")[int(rng.choice(3, p=odds / odds.sum()))]
    if choice == "tie" and max(rewards) - average < BOTH_BAD_BELOW:
        choice = "both_bad"
    decided = choice in ("a", "b")
    tags, rationale = reason_for(world, person, a, b, choice, rng) if decided else ((), "")
    words = sum(len(world.responses[key].text.split()) for key in (a, b))
    seconds = words / WORDS_PER_SECOND * exp(rng.normal(0, 0.3)) * (0.6 + 0.8 / (1 + abs(margin)))
    judgment = Judgment(
        annotator=person.name,
        a=a,
        b=b,
        choice=choice,
        strength=strength_of(margin if choice == "a" else -margin, rng) if decided else None,
        swapped=swapped,
        rationale=rationale,
        tags=tags,
        judged_at=at.isoformat(),
    )
    return judgment, round(seconds + 2.0, 1)


def strength_of(margin: float, rng: np.random.Generator) -> int:
    """1 to 3, by the margin towards what was chosen."""
    felt = margin + rng.normal(0, 0.5)
    return 1 + sum(felt > step for step in STRENGTH_STEPS)


def reason_for(
    world: Simulation, person: Person, a: str, b: str, choice: Choice, rng: np.random.Generator
) -> tuple[tuple[str, ...], str]:
    """Tags (side, sign and key, as snapshots hold them) and a sentence, from the axis that spoke most for the choice.

    Nothing where none clearly did.
    """
    chosen, other = (a, b) if choice == "a" else (b, a)
    difference = np.array(world.styles[chosen]) - np.array(world.styles[other])
    support = np.array(person.taste) * difference
    best = int(np.argmax(support))
    if rng.random() >= RATIONALE_SHARE or support[best] < 0.2:
        return (), ""
    sentences = REASONS[AXES[best], 1 if difference[best] > 0 else -1]
    signed = f"{choice}+{AXIS_TAGS[AXES[best]][0]}"
    return (signed,), str(rng.choice(sentences)) if rng.random() < 0.6 else ""
