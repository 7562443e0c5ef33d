"""Reranking as Cohere, Jina and vLLM call it (``documents``), and as TEI does (``texts``); TEI's ``/predict``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from annotator.errors import AnnotatorError, Invalid
from personalization.api.compat.targets import target_of
from personalization.api.compat.views import (
    CompatView,
    Row,
    answer,
    body_of,
    conversation_field,
    fresh_id,
    prompt_field,
    score_rows,
    text_field,
)
from personalization.api.compat.vllm import openai_error

LABEL = "LABEL_0"
_TEI_TYPES = {422: "validation", 413: "validation", 429: "overloaded", 503: "unhealthy"}


def tei_error(status: int, detail: str) -> dict[str, object]:
    return {"error": detail, "error_type": _TEI_TYPES.get(status, "validation" if status < 500 else "backend")}


class RerankView(CompatView):
    """``POST /rerank``, ``/v1/rerank``, ``/v2/rerank``: σ(reward) for each document, best first. TEI's has ``texts``.

    The address is shared by several clients, so that an error says the same in the shape of each.
    """

    @property
    def statuses(self) -> dict[int, int]:  # type: ignore[override]
        return TEIView.statuses if self._is_tei else {}

    @property
    def _is_tei(self) -> bool:
        try:
            body = self.request.data
        except (APIException, AnnotatorError):
            return False
        return isinstance(body, dict) and "texts" in body and "documents" not in body

    def error_body(self, status: int, code: str, detail: str) -> object:
        if self._is_tei:
            return tei_error(status, detail)
        return {"message": detail, "detail": detail} | openai_error(status, code, detail)

    def post(self, request: Request, who: str | None = None) -> HttpResponse:
        return (_tei_rerank if self._is_tei else _rerank)(request, who)


def _rerank(request: Request, who: str | None) -> HttpResponse:
    body = body_of(request, "model", "query", "documents", "top_n", "return_documents")
    aim = target_of(request, model=body["model"], who=who)
    prompt = prompt_field(body["query"], "query")
    texts = _documents(body["documents"], "documents")
    top = _top(body["top_n"], len(texts))
    scored = score_rows(aim, [Row(prompt, text, aim.user) for text in texts])
    results = []
    for index in scored.order()[:top]:
        row: dict[str, Any] = {"index": index, "relevance_score": scored.relevance[index]}
        row |= {"reward": scored.rewards[index], "std": scored.stds[index]}
        results.append(row | {"document": {"text": texts[index]}} if body["return_documents"] else row)
    meta = {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}
    usage = {"total_tokens": 0, "prompt_tokens": 0}
    return answer(
        {"id": fresh_id("rerank"), "model": aim.named, "results": results, "usage": usage, "meta": meta}, scored
    )


def _tei_rerank(request: Request, who: str | None) -> HttpResponse:
    """A bare array, best first; σ(reward) unless ``raw_scores``."""
    body = body_of(request, "model", "query", "texts", "raw_scores", "return_text")
    aim = target_of(request, model=body["model"], who=who)
    prompt = prompt_field(body["query"], "query")
    texts = _documents(body["texts"], "texts")
    scored = score_rows(aim, [Row(prompt, text, aim.user) for text in texts])
    values = scored.rewards if body["raw_scores"] is True else scored.relevance
    rows: list[dict[str, Any]] = [{"index": index, "score": values[index]} for index in scored.order()]
    if body["return_text"]:
        rows = [row | {"text": texts[row["index"]]} for row in rows]
    return answer(rows, scored)


class TEIView(CompatView):
    statuses = {400: 422}

    def error_body(self, status: int, code: str, detail: str) -> object:  # noqa: ARG002 (TEI has no codes)
        return tei_error(status, detail)


class PredictView(TEIView):
    """``POST /predict``: ``inputs`` is one text that holds both, a [prompt, response], or a list of either in lists."""

    def post(self, request: Request, who: str | None = None) -> HttpResponse:
        body = body_of(request, "model", "inputs", "raw_scores")
        aim = target_of(request, model=body["model"], who=who)
        pairs, single = _inputs(body["inputs"])
        scored = score_rows(aim, [Row(prompt, text, aim.user) for prompt, text in pairs])
        values = scored.rewards if body["raw_scores"] is True else scored.relevance
        rows = [[{"score": value, "label": LABEL}] for value in values]
        return answer(rows[0] if single else rows, scored)


def _documents(given: object, name: str) -> list[str]:
    if not isinstance(given, list) or not given:
        raise Invalid(f"{name} must be a list of texts.", fields={name: "must be a list of at least one text"})
    return [
        text_field(each.get("text") if isinstance(each, Mapping) else each, f"{name}[{n}]")
        for n, each in enumerate(given)
    ]


def _top(given: object, count: int) -> int:
    if given is None:
        return count
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise Invalid("top_n must be a whole number of 1 or more.", fields={"top_n": "must be 1 or more"})
    return min(given, count)


def _inputs(given: object) -> tuple[list[tuple[str, str]], bool]:
    """(prompt, response) of each input, and whether there was only one, not in a list of lists."""
    if isinstance(given, str):
        return [conversation_field(given, "inputs")], True
    if not isinstance(given, list) or not given:
        raise Invalid("inputs must be a text, [prompt, response], or a list of lists.", fields={"inputs": "is wrong"})
    if len(given) == 2 and all(isinstance(each, str) for each in given):
        return [(prompt_field(given[0], "inputs[0]"), text_field(given[1], "inputs[1]"))], True
    return [_one_of_many(each, f"inputs[{n}]") for n, each in enumerate(given)], False


def _one_of_many(given: object, name: str) -> tuple[str, str]:
    if isinstance(given, list) and len(given) == 2:
        return prompt_field(given[0], f"{name}[0]"), text_field(given[1], f"{name}[1]")
    return conversation_field(given[0] if isinstance(given, list) and len(given) == 1 else given, name)
