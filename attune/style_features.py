"""Interpretable stylistic features of a response: what a reader notices before the content.

Each is a count, a share or a rate per 100 words, squashed by log(1 + x) where it has a long tail, so that most texts
lie in 0…5. ``TRAITS`` groups them into the bipolar traits of the profile page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log1p, sqrt

import numpy as np
from numpy.typing import NDArray

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
SENTENCE_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+|\n+")
BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+\S", re.MULTILINE)
HEADING = re.compile(r"^\s*(?:#{1,6}\s+\S|\*\*[^*\n]+\*\*:?\s*$|[A-Z][^.!?\n]{1,60}:\s*$)", re.MULTILINE)
BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
CODE = re.compile(r"```|`[^`\n]+`")
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]|[:;]-?[)D(P]")
QUOTE = re.compile(r"[\"“][^\"”\n]{2,200}[\"”]")
PASSIVE = re.compile(r"\b(?:is|are|was|were|be|been|being)\s+(?:\w+ly\s+)?\w{3,}(?:ed|en)\b", re.IGNORECASE)
SHOUT = re.compile(r"\b[A-Z]{3,}\b")
UNTIDY = re.compile(
    r"\bi\b|[.!?]\s+[a-z]|\b(?:dont|cant|wont|isnt|doesnt|thats|im|u|ur|alot|becuase|wich|teh)\b|\s,|,(?=[a-z])"
)


def _phrases(text: str) -> re.Pattern[str]:
    """Words and phrases, separated by ``|`` in the source, matched whole and in any case."""
    return re.compile(rf"\b(?:{text})\b", re.IGNORECASE)


CONTRACTION = _phrases(r"\w+['’](?:s|re|ve|ll|d|m)|\w+n['’]t|gonna|wanna|gotta")
SECOND_PERSON = _phrases(r"you|your|yours|yourself|you['’]\w+")
FIRST_PERSON = _phrases(r"i|me|my|mine|myself|i['’]\w+")
WE = _phrases(r"we|us|our|ours|let['’]s|we['’]\w+")
HEDGE = _phrases(
    r"maybe|perhaps|possibly|probably|might|may|could|seems?|seemingly|appears?|likely|unlikely|roughly"
    r"|somewhat|sometimes|often|usually|generally|arguably|tends? to|in some cases|it depends|depends on"
    r"|i think|i suppose|i believe|i guess|not sure|more or less|to some extent|potentially|presumably"
    r"|fairly|rather|worth considering"
)
CERTAIN = _phrases(
    r"definitely|certainly|clearly|obviously|always|never|must|absolutely|undoubtedly|without (?:a )?doubt"
    r"|exactly|simply|of course|guaranteed|every|none|the answer is|no question|for sure|full stop|period"
)
FORMAL = _phrases(
    r"therefore|furthermore|moreover|however|consequently|thus|hence|regarding|additionally|nevertheless"
    r"|whereas|accordingly|subsequently|ensure|utili[sz]e|obtain|require[sd]?|provided|commence|prior to"
    r"|in order to|it is|one should|one may|individuals?|recommended|advisable|appropriate|sufficient"
    r"|approximately|considerable|notwithstanding|shall|upon|with respect to"
)
CASUAL = _phrases(
    r"yeah|yep|nope|hey|hi|ok|okay|kinda|sorta|stuff|things?|guys?|cool|awesome|super|pretty much|a bit"
    r"|a ton|tons|lots?|honestly|totally|basically|just|really|wow|oh|well|so yeah|no worries|big deal"
    r"|grab|toss|mess|dude|folks|anyway|gets?|got"
)
EXAMPLE = _phrases(
    r"for example|for instance|e\.g|such as|say|imagine|suppose|picture|think of|like when|take the"
    r"|consider|once|case in point|an example|examples"
)
WARM = _phrases(
    r"glad|happy|hope|enjoy|lovely|wonderful|congratulations|congrats|proud|care|caring|kind|gentle|gently"
    r"|friends?|together|understandable|sorry|warm|warmly|love|loved|feel|feels|feeling|you['’]ve got this"
    r"|take heart|good luck|cheers|dear|welcome|thank you|thanks|nice|great|delight|delightful|brave|hug"
    r"|smile|well done|be kind|it['’]s okay|it['’]s normal"
)
POLITE = _phrases(r"please|thank you|thanks|kindly|would you|could you|may i|feel free|if you like|if you wish")
BECAUSE = _phrases(
    r"because|since|so that|therefore|as a result|due to|the reason|that['’]s why|which is why|means that"
    r"|leads? to|causes?"
)
CONTRAST = _phrases(r"but|however|although|though|yet|while|whereas|on the other hand|instead|despite|even if|still")
NEGATION = _phrases(r"no|not|never|none|nothing|neither|nor|cannot|\w+n['’]t|without")
SEQUENCE = _phrases(r"first|firstly|second|secondly|third|then|next|finally|lastly|step|after that|to begin")
IMPERATIVE = re.compile(
    r"^(?:[-*•\d.)\s]*)(?:please\s+)?(?:add|ask|avoid|be|begin|bring|buy|call|check|choose|cook|cut|do|don['’]t|drink|eat|find|give|go"
    r"|keep|leave|let|look|make|mix|move|never|open|pick|plan|put|read|remember|say|send|set|skip|start|stick|stop|take|talk"
    r"|tell|think|try|turn|use|wait|walk|wash|wear|write)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Text:
    """A response taken apart once, for all features."""

    raw: str
    words: list[str]
    sentences: list[str]
    lines: int

    @classmethod
    def of(cls, raw: str) -> Text:
        """Split into words, sentences and lines; each count is at least one below so that shares stay finite."""
        sentences = [each for each in SENTENCE_END.split(raw) if each and WORD.search(each)]
        lines = sum(1 for each in raw.splitlines() if each.strip())
        return cls(raw, WORD.findall(raw), sentences, lines)

    def rate(self, pattern: re.Pattern[str]) -> float:
        """log(1 + matches per 100 words); short texts are counted as 20 words, so that one match does not explode."""
        return log1p(100.0 * sum(1 for _ in pattern.finditer(self.raw)) / max(len(self.words), 20))

    def count(self, pattern: re.Pattern[str]) -> float:
        """log(1 + matches)."""
        return log1p(sum(1 for _ in pattern.finditer(self.raw)))

    def per_sentence(self, matches: int) -> float:
        """A share of the sentences."""
        return matches / max(len(self.sentences), 1)


FEATURES: Mapping[str, Callable[[Text], float]] = {
    "log_words": lambda t: log1p(len(t.words)),
    "sentence_words": lambda t: log1p(len(t.words) / max(len(t.sentences), 1)),
    "word_letters": lambda t: sum(map(len, t.words)) / max(len(t.words), 1),
    "long_words": lambda t: sum(len(w) >= 8 for w in t.words) / max(len(t.words), 1),
    "word_variety": lambda t: len({w.lower() for w in t.words}) / sqrt(max(len(t.words), 1)),
    "paragraphs": lambda t: log1p(t.raw.strip().count("\n\n")),
    "bullets": lambda t: len(BULLET.findall(t.raw)) / max(t.lines, 1),
    "bullet_count": lambda t: t.count(BULLET),
    "headings": lambda t: t.count(HEADING),
    "bold": lambda t: t.count(BOLD),
    "code": lambda t: t.count(CODE),
    "numbers": lambda t: t.rate(NUMBER),
    "questions": lambda t: t.per_sentence(t.raw.count("?")),
    "exclamations": lambda t: t.per_sentence(t.raw.count("!")),
    "contractions": lambda t: t.rate(CONTRACTION),
    "second_person": lambda t: t.rate(SECOND_PERSON),
    "first_person": lambda t: t.rate(FIRST_PERSON),
    "first_person_plural": lambda t: t.rate(WE),
    "hedges": lambda t: t.rate(HEDGE),
    "certainty": lambda t: t.rate(CERTAIN),
    "imperatives": lambda t: t.per_sentence(sum(1 for s in t.sentences if IMPERATIVE.match(s))),
    "formal_words": lambda t: t.rate(FORMAL),
    "casual_words": lambda t: t.rate(CASUAL),
    "passives": lambda t: t.rate(PASSIVE),
    "examples": lambda t: t.rate(EXAMPLE),
    "warmth": lambda t: t.rate(WARM),
    "politeness": lambda t: t.rate(POLITE),
    "emoji": lambda t: t.rate(EMOJI),
    "reasons": lambda t: t.rate(BECAUSE),
    "contrasts": lambda t: t.rate(CONTRAST),
    "negations": lambda t: t.rate(NEGATION),
    "sequence_words": lambda t: t.rate(SEQUENCE),
    "quotes": lambda t: t.count(QUOTE),
    "parentheses": lambda t: log1p(t.raw.count("(")),
    "commas": lambda t: t.per_sentence(t.raw.count(",")),
    "capitals": lambda t: t.rate(SHOUT),
    "untidy": lambda t: t.rate(UNTIDY),
}
STYLE_FEATURES: tuple[str, ...] = tuple(FEATURES)

TRAITS: Mapping[str, Mapping[str, float]] = {
    "concise–detailed": {"log_words": 1.0},
    "formal–casual": {
        "contractions": 1.0,
        "casual_words": 1.0,
        "formal_words": -1.0,
        "long_words": -0.5,
        "passives": -0.5,
        "untidy": 0.25,
    },
    "hedged–direct": {"hedges": -1.0, "certainty": 0.5, "imperatives": 0.75},
    "abstract–example-rich": {"examples": 1.0, "numbers": 0.5, "quotes": 0.25},
    "dry–warm": {"warmth": 1.0, "exclamations": 0.75, "politeness": 0.25, "emoji": 0.5, "second_person": 0.25},
    "prose–bulleted": {"bullets": 1.0, "bullet_count": 0.5, "headings": 0.25, "bold": 0.25},
}
"""Bipolar traits: the weight of each standardised feature towards the second pole."""


def poles_of(trait: str) -> tuple[str, str]:
    """Both ends of a name in ``TRAITS``."""
    first, _, second = trait.partition("–")
    return first, second


def style_vector(response: str) -> NDArray[np.float32]:
    """All features of one response, (len(STYLE_FEATURES),), in that order."""
    text = Text.of(response)
    return np.array([feature(text) for feature in FEATURES.values()], np.float32)


def trait_weights() -> NDArray[np.float32]:
    """TRAITS as a matrix (traits, features) over standardised features; each row has unit length."""
    weights = np.array([[row.get(name, 0.0) for name in STYLE_FEATURES] for row in TRAITS.values()], np.float32)
    return weights / np.linalg.norm(weights, axis=1, keepdims=True)  # type: ignore[no-any-return]
