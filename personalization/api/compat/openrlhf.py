"""OpenRLHF's remote reward model (``--reward.remote_url``): POST {"query", "prompts", "labels"}."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from annotator.errors import Invalid
from attune.transcripts import without_end, without_start
from personalization.api.compat.targets import target_of
from personalization.api.compat.views import (
    CompatView,
    Row,
    answer,
    body_of,
    flatten,
    score_rows,
    text_field,
    texts_field,
)


class OpenRLHFView(CompatView):
    """``query[i]`` is prompt and response in one text, ``prompts[i]`` how it begins. With ``?user=labels`` each row's label
    says whose reward it is; a client that retries and then drops a reward must never be told a made-up one."""

    def error_body(self, status: int, code: str, detail: str) -> object:
        return {"error": detail, "code": code, "status": status}

    def post(self, request: Request, who: str | None = None) -> HttpResponse:
        body = body_of(request, "query", "prompts", "labels", "model")
        aim = target_of(request, model=body["model"], who=who)
        queries = texts_field(body["query"], "query")
        users = _users(body["labels"], len(queries), aim.user, by_label=request.query_params.get("user") == "labels")
        prompts = _prompts(body["prompts"], len(queries))
        rows = [
            Row(flatten(prompt), _response(query, prompt, n), user)
            for n, (query, prompt, user) in enumerate(zip(queries, prompts, users, strict=True))
        ]
        scored = score_rows(aim, rows)
        logs = {"reward_std": scored.stds, "n_judgments": [voice.n_judgments for voice in scored.voices]}
        return answer({"rewards": scored.rewards, "scores": scored.relevance, "extra_logs": logs}, scored)


def _prompts(given: object, count: int) -> list[str]:
    if not isinstance(given, list) or len(given) != count:
        raise Invalid(
            f"prompts must be a list of {count} texts, one for each query.",
            fields={"prompts": f"must be a list of {count} texts"},
        )
    return [text_field(each, f"prompts[{n}]") for n, each in enumerate(given)]


def _response(query: str, prompt: str, number: int) -> str:
    """What follows the prompt. A tokenizer may have put a start token before either of them."""
    name = f"query[{number}]"
    whole, start = without_start(query), without_start(prompt)
    if not whole.startswith(start):
        raise Invalid(
            f"{name} does not begin with prompts[{number}].", fields={name: f"must begin with prompts[{number}]"}
        )
    return text_field(without_end(whole[len(start) :]), name)


def _users(labels: object, count: int, user: str | None, *, by_label: bool) -> list[str | None]:
    if not by_label:
        return [user] * count
    if not isinstance(labels, list) or len(labels) != count or not all(isinstance(each, str) for each in labels):
        raise Invalid(
            f"labels must be a list of {count} references of annotators.",
            fields={"labels": f"must be a list of {count} texts"},
        )
    return [each or None for each in labels]
