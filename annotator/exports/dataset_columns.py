"""The columns of each form of dataset, with their types and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from annotator.exports.dataset_options import Form


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its type: text, flag, whole, real, messages, texts, wholes, reals, or json (anything else)."""

    name: str
    type: str
    about: str


_ABOUT = (
    Column("annotator", "text", "Who judged; a pseudonym that only this dataset uses, unless it says otherwise."),
    Column("simulated", "flag", "A program's judgment."),
)
_TAIL = (
    Column("topic", "text", "Of the prompt."),
    Column("judged_at", "text", "When, ISO 8601, UTC."),
    Column("prompt_id", "text", "The owner's id of the prompt."),
    Column("split", "text", "train, validation or test."),
)
_REASONS = (
    Column("strength", "whole", "1 slightly, 2 clearly, 3 much; null where it was not said."),
    Column("tie", "flag", "No preference: the row is also there with the sides turned."),
    Column("rationale", "text", "Why, in the annotator's words."),
    Column("tags", "texts", "Reason tags."),
)
_SOURCES = (
    Column("chosen_id", "text", "The owner's id of the response."),
    Column("rejected_id", "text", "The owner's id of the response."),
    Column("chosen_source", "text", "What wrote it."),
    Column("rejected_source", "text", "What wrote it."),
    Column("chosen_picture", "text", "Name of its picture; the response’s text then says what it shows."),
    Column("rejected_picture", "text", "Name of its picture; the response’s text then says what it shows."),
    Column("chosen_after", "messages", "How the conversation went on after it, if the pair sat in the middle of one."),
    Column(
        "rejected_after", "messages", "How the conversation went on after it, if the pair sat in the middle of one."
    ),
    Column("hindsight", "flag", "Given after what came of following the responses was shown."),
)
_PROMPT = Column("prompt", "messages", "The conversation so far.")
COLUMNS: dict[Form, tuple[Column, ...]] = {
    "preference": (
        _PROMPT,
        Column("chosen", "messages", "The preferred response."),
        Column("rejected", "messages", "The other one."),
        *(*_ABOUT, *_REASONS, *_SOURCES, *_TAIL),
    ),
    "implicit": (
        Column("chosen", "messages", "The conversation with the preferred response."),
        Column("rejected", "messages", "The conversation with the other one."),
        *(*_ABOUT, *_REASONS, *_SOURCES, *_TAIL),
    ),
    "reward": (
        Column("chosen", "messages", "The conversation with the preferred response."),
        Column("rejected", "messages", "The conversation with the other one."),
        Column(
            "margin", "real", "By how much, from what was said of the strength: 1, 2, 3; 0 for a tie; 1 if not said."
        ),
        *(*_ABOUT, *_REASONS, *_SOURCES, *_TAIL),
    ),
    "kto": (
        _PROMPT,
        Column("completion", "messages", "One response."),
        Column("label", "flag", "Whether it was the preferred one."),
        *(*_ABOUT, Column("strength", "whole", "1 to 3, or null."), Column("response_id", "text", "The owner's id.")),
        *_TAIL,
    ),
    "sft": (
        _PROMPT,
        Column("completion", "messages", "The preferred response."),
        *(*_ABOUT, Column("strength", "whole", "1 to 3, or null."), Column("response_id", "text", "The owner's id.")),
        *_TAIL,
    ),
    "prompts": (
        _PROMPT,
        Column("topic", "text", "Of the prompt."),
        Column("prompt_id", "text", "The owner's id of the prompt."),
        Column("split", "text", "train, validation or test."),
    ),
    "ranked": (
        _PROMPT,
        Column("completions", "texts", "The responses that this annotator put in order, or compared, best first."),
        Column("ranks", "wholes", "1 is best; equal ranks were not told apart."),
        Column("wins", "reals", "Comparisons won, ties counting half."),
        *(*_ABOUT, Column("consistent", "flag", "No two of the comparisons contradict the order."), *_TAIL),
    ),
    "rationales": (
        _PROMPT,
        Column("response_a", "text", "As it was shown on the left."),
        Column("response_b", "text", "As it was shown on the right."),
        Column("choice", "text", "a, b, tie, both_good or both_bad, on the sides as shown."),
        Column("rationale", "text", "Why, in the annotator's words."),
        Column("reasons", "json", "Reason tags with their side and sign, on the sides as shown."),
        *(*_ABOUT, Column("strength", "whole", "1 to 3, or null."), *_TAIL),
    ),
    "spans": (
        _PROMPT,
        Column("response", "text", "The response's source text."),
        Column("start", "whole", "First code point of the stretch."),
        Column("end", "whole", "One past its last."),
        Column("quote", "text", "What stands there."),
        Column("good", "flag", "Marked as good, or as bad."),
        Column("tag", "text", "The reason."),
        Column("comment", "text", "In the annotator's words."),
        *(*_ABOUT, Column("response_id", "text", "The owner's id."), *_TAIL),
    ),
    "contexts": (
        Column(
            "annotator", "text", "Whose judgments; a pseudonym that only this dataset uses, unless it says otherwise."
        ),
        Column("simulated", "flag", "A program."),
        Column("count", "whole", "How many judgments."),
        Column(
            "judgments", "json", "In the order of judging: prompt, chosen, rejected, strength, tie, judged_at, split."
        ),
        Column("split", "text", "train, validation or test; by annotator only."),
    ),
    "label_studio": (),
    "argilla": (),
}
