"""What all dialects share: rewards of rows of (prompt, response), errors in the client's shape, what it rests on."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import orjson
from django.http import HttpResponse
from numpy.typing import NDArray
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.errors import Invalid
from annotator.models import ApiToken
from attune.data import flatten_prompt
from attune.errors import BadData
from attune.rewards.base import Scores
from attune.transcripts import parse_transcript, split_transcript, without_end
from personalization.api.compat.targets import Target
from personalization.api.fields import Wrong, as_prompt, as_text
from personalization.panels import Scale, rewards, texts_of
from personalization.voices import Voice, voices_called
from training.serving import ServedVersion

Array = NDArray[np.float32]
MAX_ROWS = 4096
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Row:
    """One text to score, for ``user`` (None is everybody)."""

    prompt: str
    response: str
    user: str | None


@dataclass(frozen=True, slots=True)
class Scored:
    """Rewards of rows, mean and std (N,), whose they are, and how many texts were encoded."""

    served: ServedVersion
    mean: Array
    std: Array
    voices: list[Voice]
    encoded: int

    @property
    def rewards(self) -> list[float]:
        return [round(value, DIGITS) for value in self.mean.tolist()]

    @property
    def stds(self) -> list[float]:
        return [round(value, DIGITS) for value in self.std.tolist()]

    @property
    def relevance(self) -> list[float]:
        """σ(reward): what clients that expect 0 to 1 read. Never a softmax: a reward is about one response."""
        return [round(value, DIGITS) for value in ((1 + np.tanh(self.mean / 2)) / 2).tolist()]

    def order(self) -> list[int]:
        """Indices, best first."""
        return [int(index) for index in np.argsort(-self.mean, kind="stable")]


class CompatView(APIView):
    """A route in somebody else's dialect. ``error_body`` says how that client's errors look."""

    required_scope = ApiToken.Scope.SCORE
    schema = None  # their documents describe it
    parameters = None  # as with fields: clients send more than is needed
    statuses: ClassVar[Mapping[int, int]] = {}
    """Statuses that the client knows by another number."""

    def error_body(self, status: int, code: str, detail: str) -> object:
        raise NotImplementedError

    def handle_exception(self, exc: Exception) -> Response:
        """As everywhere, with the body in the client's shape."""
        response = super().handle_exception(exc)
        problem = response.data
        status = self.statuses.get(response.status_code, response.status_code)
        body = self.error_body(status, problem["code"], problem["detail"])
        headers = {name: value for name, value in response.headers.items() if name != "Content-Type"}
        return Response(body, status=status, headers=headers, content_type="application/json")


def body_of(request: Request, *known: str) -> Mapping[str, Any]:
    """The body as an object. Clients send more than is needed here, so unknown names are let pass; ``known`` may be null.

    Raises ``Invalid``.
    """
    if not isinstance(request.data, dict):
        raise Invalid("The body must be a JSON object.")
    return {name: request.data.get(name) for name in known}


def score_rows(target: Target, rows: Sequence[Row]) -> Scored:
    """Raw rewards of the rows, each for its own user; every text encoded once."""
    if len(rows) > MAX_ROWS:
        raise Invalid(f"There are {len(rows):,} texts; expected at most {MAX_ROWS:,}.")
    texts = texts_of(asker=target.asker, model=target.version, texts=[(row.prompt, row.response) for row in rows])
    voices = voices_called(asker=target.asker, served=texts.served, users=[row.user for row in rows])
    scores = Scores(np.empty(len(rows), np.float32), np.empty(len(rows), np.float32))
    for user, voice in voices.items():
        places = [n for n, row in enumerate(rows) if row.user == user]
        items = np.stack([texts.items(rows[n].prompt, [rows[n].response])[0] for n in places])
        found = rewards(texts, voice, items, Scale())
        scores.mean[places], scores.std[places] = found.mean, found.std
    return Scored(texts.served, scores.mean, scores.std, [voices[row.user] for row in rows], texts.encoded)


def answer(body: object, scored: Scored) -> HttpResponse:
    """The body as the client reads it; headers say which version answered and how much of the person is in it."""
    response = HttpResponse(orjson.dumps(body), content_type="application/json")
    judgments = [voice.n_judgments for voice in scored.voices]
    response["Attune-Model"] = scored.served.label
    response["Attune-Judgments"] = str(min(judgments, default=0))
    response["Attune-Fallback"] = "true" if min(judgments, default=0) == 0 else "false"
    return response


def fresh_id(kind: str) -> str:
    return f"{kind}-{uuid.uuid4().hex}"


def now() -> int:
    return int(time.time())


def text_field(value: object, name: str) -> str:
    """A text that can be scored. Raises ``Invalid`` under the field's name."""
    try:
        return as_text(value)
    except Wrong as wrong:
        raise Invalid(f"{name} {wrong}.", fields={name: str(wrong)}) from None


def prompt_field(value: object, name: str) -> str:
    """A prompt as a text, as messages, or written out in a chat template."""
    try:
        text = as_prompt(value)
    except Wrong as wrong:
        raise Invalid(f"{name} {wrong}.", fields={name: str(wrong)}) from None
    return flatten(text)


def flatten(text: str) -> str:
    """A prompt that may be written out in a chat template, as encoders and the database have it."""
    turns = parse_transcript(text)
    return flatten_prompt(turns) if turns else text


def conversation_field(value: object, name: str) -> tuple[str, str]:
    """One text that holds both, as prompt and response. Raises ``Invalid``."""
    text = text_field(value, name)
    try:
        turns, response = split_transcript(text)
    except BadData as error:
        raise Invalid(f"{name} {error}.", fields={name: str(error)}) from None
    return flatten_prompt(turns), text_field(without_end(response), name)


def texts_field(value: object, name: str) -> list[str]:
    """A text or a list of them. Raises ``Invalid``."""
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise Invalid(f"{name} is empty.", fields={name: "is empty"})
    return [text_field(each, f"{name}[{n}]" if isinstance(value, list) else name) for n, each in enumerate(listed)]
