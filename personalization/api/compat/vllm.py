"""vLLM's pooling routes, as verl, vLLM's own clients and the openai package call them."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from django.http import HttpResponse
from rest_framework.request import Request

from annotator.errors import Invalid
from personalization.api.compat.targets import target_of
from personalization.api.compat.views import (
    CompatView,
    Row,
    answer,
    body_of,
    conversation_field,
    fresh_id,
    now,
    prompt_field,
    score_rows,
    texts_field,
)

USAGE = {"prompt_tokens": 0, "total_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": None}
"""Texts are not tokenised for this: nothing is charged by tokens."""
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "NotFoundError", 429: "rate_limit_error"}


def openai_error(status: int, code: str, detail: str) -> dict[str, Any]:
    """As the openai package and vLLM's clients read it."""
    usual = "BadRequestError" if status < 500 else "InternalServerError"
    return {"error": {"message": detail, "type": _TYPES.get(status, usual), "param": None, "code": code}}


class VLLMView(CompatView):
    statuses = {422: 400}

    def error_body(self, status: int, code: str, detail: str) -> object:
        return openai_error(status, code, detail)


class ClassifyView(VLLMView):
    """``POST /classify``: ``probs`` is the raw reward, or σ of it where ``use_activation`` is true. One class: no softmax."""

    def post(self, request: Request, who: str | None = None) -> HttpResponse:
        body = body_of(request, "model", "input", "messages", "use_activation", "activation")
        aim = target_of(request, model=body["model"], who=who)
        scored = score_rows(aim, [Row(prompt, text, aim.user) for prompt, text in _conversations(body)])
        active = body["use_activation"] is True or body["activation"] is True
        values = scored.relevance if active else scored.rewards
        data = [
            {"index": n, "label": None, "probs": [value], "num_classes": 1, "std": std}
            for n, (value, std) in enumerate(zip(values, scored.stds, strict=True))
        ]
        return answer(_list("classify", aim.named, data), scored)


class ScoreView(VLLMView):
    """``POST /score``: ``text_1``/``text_2`` or ``queries``/``documents``, one against many or pair by pair."""

    def post(self, request: Request, who: str | None = None) -> HttpResponse:
        body = body_of(request, "model", "text_1", "text_2", "queries", "documents", "use_activation", "activation")
        aim = target_of(request, model=body["model"], who=who)
        old = body["text_1"] is not None
        names = ("text_1", "text_2") if old else ("queries", "documents")
        queries = [prompt_field(each, names[0]) for each in texts_field(body[names[0]], names[0])]
        documents = texts_field(body[names[1]], names[1])
        if len(queries) == 1:
            queries = queries * len(documents)
        if len(queries) != len(documents):
            raise Invalid(
                f"{names[0]} has {len(queries)} texts and {names[1]} {len(documents)}; expected 1 or as many."
            )
        scored = score_rows(aim, [Row(q, text, aim.user) for q, text in zip(queries, documents, strict=True)])
        active = body["use_activation"] is True or body["activation"] is True
        data = [
            {"index": n, "object": "score", "score": value, "std": std}
            for n, (value, std) in enumerate(
                zip(scored.relevance if active else scored.rewards, scored.stds, strict=True)
            )
        ]
        return answer(_list("score", aim.named, data), scored)


class EmbeddingsView(VLLMView):
    """``POST /v1/embeddings``: the reward as an embedding of one dimension, as SGLang serves reward models."""

    def post(self, request: Request, who: str | None = None) -> HttpResponse:
        body = body_of(request, "model", "input", "messages", "encoding_format", "dimensions")
        aim = target_of(request, model=body["model"], who=who)
        if body["dimensions"] not in (None, 1):
            raise Invalid("A reward has one dimension.", fields={"dimensions": "must be 1"})
        if body["encoding_format"] not in (None, "float", "base64"):
            raise Invalid("encoding_format is float or base64.", fields={"encoding_format": "must be float or base64"})
        scored = score_rows(aim, [Row(prompt, text, aim.user) for prompt, text in _conversations(body)])
        packed = body["encoding_format"] == "base64"
        data = [
            {"object": "embedding", "index": n, "embedding": _base64(value) if packed else [value]}
            for n, value in enumerate(scored.rewards)
        ]
        return answer(_list("embd", aim.named, data), scored)


def _conversations(body: Any) -> list[tuple[str, str]]:
    """``input`` as one text or many, each holding prompt and response; or ``messages`` that end with the response."""
    if (messages := body["messages"]) is not None:
        if not isinstance(messages, list) or len(messages) < 2 or not isinstance(messages[-1], dict):
            raise Invalid("messages must be a conversation.", fields={"messages": "must be a conversation"})
        if messages[-1].get("role") != "assistant":
            raise Invalid(
                "messages must end with the assistant’s.", fields={"messages": "must end with the assistant’s"}
            )
        prompt = prompt_field(messages[:-1], "messages")
        return [(prompt, texts_field(messages[-1].get("content"), "messages[-1].content")[0])]
    given = body["input"]
    if isinstance(given, list):
        if not given:
            raise Invalid("input is empty.", fields={"input": "is empty"})
        return [conversation_field(each, f"input[{n}]") for n, each in enumerate(given)]
    return [conversation_field(given, "input")]


def _list(kind: str, model: str, data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": fresh_id(kind), "object": "list", "created": now(), "model": model, "data": data, "usage": USAGE}


def _base64(value: float) -> str:
    return base64.b64encode(np.array([value], "<f4").tobytes()).decode()
