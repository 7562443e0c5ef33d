"""The tiny model's corpus: everyday questions answered in many styles, from our own topics and sentence patterns.

A style is a point of {−1, 0, 1}⁶ along ``simulate.AXES``: detailed, casual, direct, examples, warm, bulleted. The same four
tips of a topic can be said in each of the 729 styles, so that a model of the corpus knows the ways of saying a thing
apart from the things, and a preference for one way can move it there. All from one seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from random import Random

from attune.errors import BadData
from attune.policies.prompts import Message, rationale_prompt
from attune.simulate import AXES, REASONS, load_starter

TOPIC_FILES = ("topics_1.txt", "topics_2.txt")
Style = tuple[int, ...]
"""−1, 0 or 1 along each of ``AXES``."""

QUESTIONS = (
    "How do I {goal}?",
    "How can I {goal}?",
    "What is the best way to {goal}?",
    "I would like to {goal}. Where do I start?",
    "Any advice on how to {goal}?",
    "Can you help me {goal}?",
    "What should I do to {goal}?",
    "I never manage to {goal}. What helps?",
)

FRAMES: Mapping[tuple[int, int], tuple[str, ...]] = {
    # (casual, direct): ways to give a tip
    (-1, -1): (
        "It may be advisable to {tip}",
        "One might consider whether to {tip}",
        "It is perhaps appropriate to {tip}",
        "It could generally be recommended to {tip}",
    ),
    (-1, 0): (
        "It is advisable to {tip}",
        "One should {tip}",
        "It is recommended to {tip}",
        "It is appropriate to {tip}",
    ),
    (-1, 1): (
        "It is required to {tip}",
        "One must always {tip}",
        "Ensure that you {tip}",
        "It is certainly advisable to {tip}",
    ),
    (0, -1): (
        "Perhaps you could {tip}",
        "It might help to {tip}",
        "You could possibly {tip}",
        "It is probably worth trying to {tip}",
    ),
    (0, 0): ("You can {tip}", "A good step is to {tip}", "Try to {tip}", "It helps to {tip}"),
    (0, 1): ("{Tip}", "Always {tip}", "Simply {tip}", "Make sure to {tip}"),
    (1, -1): (
        "Well, maybe you could {tip}",
        "I guess you might {tip}",
        "I'd maybe {tip}, not sure though",
        "Perhaps you'll kinda want to {tip}",
    ),
    (1, 0): ("Honestly, I'd {tip}", "You'll want to {tip}", "Yeah, you can just {tip}", "Okay, so you'd {tip}"),
    (1, 1): ("Just {tip}", "Yeah, definitely {tip}", "Hey, just {tip}", "You've totally got to {tip}"),
}

REASON_LINKS: Mapping[int, tuple[str, ...]] = {
    -1: (", since {reason}", "; the reason is that {reason}", ", as {reason}"),
    0: (", because {reason}", ", since {reason}"),
    1: (", because, well, {reason}", " – {reason}, basically", ", 'cause {reason}"),
}

EXAMPLE_LINKS: Mapping[int, tuple[str, ...]] = {
    -1: ("An example would be the following: {example}.", "For instance: {example}."),
    0: ("For example: {example}.", "For instance, {example}."),
    1: ("Like, say, {example}.", "Picture this: {example}."),
}

OPENINGS: Mapping[tuple[int, int], tuple[str, ...]] = {
    # (casual, warm): first words; dry answers have none
    (-1, 0): ("", "", "Thank you for the question."),
    (0, 0): ("", "", "Good question."),
    (1, 0): ("", "", "Okay, so."),
    (-1, 1): (
        "It is a pleasure to help with this.",
        "I am happy that you ask.",
        "It is entirely understandable to ask.",
    ),
    (0, 1): ("What a lovely question!", "I am so glad you asked!", "That is a wonderful thing to ask."),
    (1, 1): ("Aw, I love this one!", "Hey, great question, friend!", "Oh, so happy you asked!"),
}

CLOSINGS: Mapping[int, tuple[str, ...]] = {
    -1: ("I wish you every success, and I hope that it brings you joy.", "Please be kind to yourself."),
    0: ("Be kind to yourself, and enjoy it!", "I hope it goes well. You can do this!"),
    1: ("You've got this! 😊", "Hugs and good luck! 🎉"),
}

INTROS: Mapping[int, tuple[str, ...]] = {
    -1: ("The following is recommended:", "The points below are sufficient:"),
    0: ("Here is what helps:", "These steps work:"),
    1: ("Here's the stuff that works:", "Okay, quick list:"),
}

JOINS: Mapping[int, tuple[str, ...]] = {
    -1: ("Furthermore, ", "Moreover, ", "Additionally, ", "", ""),
    0: ("Then ", "Also, ", "Next, ", "", "", ""),
    1: ("Oh, and ", "And then ", "Plus, ", "", ""),
}

LIKES: Mapping[tuple[str, int], str] = {
    ("detailed", -1): "short answers",
    ("detailed", 1): "long answers",
    ("casual", -1): "a formal tone",
    ("casual", 1): "a casual tone",
    ("direct", -1): "careful words",
    ("direct", 1): "plain commands",
    ("examples", -1): "no examples",
    ("examples", 1): "examples",
    ("warm", -1): "a dry voice",
    ("warm", 1): "a warm voice",
    ("bulleted", -1): "running text",
    ("bulleted", 1): "lists",
}
"""How a described reader's likes are put into words, in a system message."""


@dataclass(frozen=True, slots=True)
class Tip:
    """One piece of advice: an imperative, why, and a case of it."""

    what: str
    reason: str
    example: str


@dataclass(frozen=True, slots=True)
class Topic:
    """What can be asked about and what can be said; ``asked`` are conversations that end in the question."""

    id: str
    goal: str
    tips: tuple[Tip, ...]
    asked: tuple[tuple[Message, ...], ...]


def load_topics() -> list[Topic]:
    """The topics of the starter project's prompts, in their order. Raises ``BadData`` naming file, line and reason."""
    starter = {prompt.id: tuple(dict(message) for message in prompt.prompt) for prompt in load_starter()}
    topics: list[Topic] = []
    for name in TOPIC_FILES:
        text = (files("attune.policies.tiny") / name).read_text("utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            cells = [cell.strip() for cell in line.removeprefix("#").split("|")]
            if line.startswith("#") and len(cells) == 2:
                topics.append(_topic(cells[0], cells[1], starter.get(cells[0])))
            elif topics and len(cells) == 3:
                last = topics[-1]
                topics[-1] = Topic(last.id, last.goal, (*last.tips, Tip(*cells)), last.asked)
            else:
                raise BadData(f"{name} line {number}: {line!r}; expected '# id | goal' or 'tip | reason | example'")
    return topics


def _topic(key: str, goal: str, starter: tuple[Message, ...] | None) -> Topic:
    asked = [({"role": "user", "content": question.format(goal=goal)},) for question in QUESTIONS]
    return Topic(key, goal, (), tuple(asked) if starter is None else (*asked, starter))


def draw_style(rng: Random) -> Style:
    """Each axis on its own, evenly."""
    return tuple(rng.choice((-1, 0, 1)) for _ in AXES)


def answer(topic: Topic, style: Style, rng: Random) -> str:
    """One answer of the style: 1, 2 or 3, or 4 tips; with reasons, examples, warmth and a list as the style has them."""
    detailed, casual, direct, examples, warm, bulleted = style
    count = {-1: 1, 0: rng.choice((2, 3)), 1: 4}[detailed]
    tips = rng.sample(topic.tips, count)
    said = [_say(tip, detailed, casual, direct, examples, rng) for tip in tips]
    as_list = bulleted == 1 or (bulleted == 0 and count > 1 and rng.random() < 0.2)
    opening = rng.choice(OPENINGS[casual, warm]) if warm >= 0 else ""
    if as_list:
        lines = [f"- {each}" for each in said]
        head = f"{opening} {rng.choice(INTROS[casual])}".strip()
        text = "\n".join([head, *lines])
        return f"{text}\n\n{rng.choice(CLOSINGS[casual])}" if warm == 1 else text
    joined = [said[0], *(_joined(each, rng.choice(JOINS[casual])) for each in said[1:])]
    closing = rng.choice(CLOSINGS[casual]) if warm == 1 else ""
    return " ".join(each for each in (opening, *joined, closing) if each)


def _say(tip: Tip, detailed: int, casual: int, direct: int, examples: int, rng: Random) -> str:
    said = rng.choice(FRAMES[casual, direct]).format(tip=tip.what, Tip=tip.what[0].upper() + tip.what[1:])
    if rng.random() < {-1: 0.1, 0: 0.5, 1: 0.9}[detailed]:
        said += rng.choice(REASON_LINKS[casual]).format(reason=tip.reason)
    said += "!" if casual == 1 and direct == 1 and rng.random() < 0.3 else "."
    if rng.random() < {-1: 0.0, 0: 0.2, 1: 0.9}[examples]:
        said += " " + rng.choice(EXAMPLE_LINKS[casual]).format(example=tip.example)
    return said


def _joined(sentence: str, join: str) -> str:
    keeps_capital = sentence.startswith(("I ", "I'"))
    return join + (sentence if keeps_capital or not join else sentence[0].lower() + sentence[1:])


def described(style: Style, rng: Random) -> str:
    """A sentence that says some of what a reader of this style likes."""
    likes = [LIKES[axis, value] for axis, value in zip(AXES, style, strict=True) if value]
    rng.shuffle(likes)
    some = likes[: rng.randint(1, 3)] or ["no style in particular"]
    return f"The reader likes {', '.join(some[:-1]) + ' and ' if some[1:] else ''}{some[-1]}."


def documents(topics: Sequence[Topic], count: int, seed: int) -> Iterator[list[Message]]:
    """Conversations to learn from: plain answers, answers for a described reader, longer talks in one style, reasons."""
    rng = Random(seed)  # noqa: S311 (no secret)
    for _ in range(count):
        kind = rng.random()
        topic, style = rng.choice(topics), draw_style(rng)
        asked = list(rng.choice(topic.asked))
        if kind < 0.65:
            yield [*asked, assistant(answer(topic, style, rng))]
        elif kind < 0.8:
            yield [{"role": "system", "content": described(style, rng)}, *asked, assistant(answer(topic, style, rng))]
        elif kind < 0.9:
            yield talk(topics, style, rng)
        else:
            yield reasoned(topic, asked, rng)


def talk(topics: Sequence[Topic], style: Style, rng: Random) -> list[Message]:
    """Two questions, both answered in one style."""
    said: list[Message] = []
    for topic in rng.sample(topics, 2):
        said += [*topic.asked[rng.randrange(len(QUESTIONS))], assistant(answer(topic, style, rng))]
    return said


def reasoned(topic: Topic, asked: list[Message], rng: Random, *, short: bool = False) -> list[Message]:
    """Two answers that differ in one axis at least, a choice between them, and the reason, as rationales are put. ``short`` ones do not
    differ in length."""
    one, other = draw_style(rng), draw_style(rng)
    axis = rng.randrange(int(short), len(AXES))
    if short:
        one, other = (-1, *one[1:]), (-1, *other[1:])
    if one[axis] == other[axis]:
        other = (*other[:axis], -1 if one[axis] == 1 else one[axis] + 1, *other[axis + 1 :])
    direction = 1 if one[axis] > other[axis] else -1
    chosen, rejected = answer(topic, one, rng), answer(topic, other, rng)
    question = rationale_prompt(asked, chosen, rejected, chosen_first=rng.random() < 0.5)
    return [*question, assistant(rng.choice(REASONS[AXES[axis], direction]))]


def assistant(text: str) -> Message:
    """What the model says."""
    return {"role": "assistant", "content": text}
