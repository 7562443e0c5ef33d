"""``POST /api/v1/score``: personal rewards of completions."""

from __future__ import annotations

import time
import uuid
from typing import Any

import orjson
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.permissions import caller
from annotator.models import ApiToken
from personalization.api import schemas
from personalization.api.explanations import explanation
from personalization.api.parsing import parse_score_request
from personalization.explaining import Explanation, explain_first
from personalization.panels import Who
from personalization.scoring import Rewards, ScoreRequest, score
from personalization.voices import Asker


class ScoreView(APIView):
    """Rewards of 1 to 1,024 completions of one prompt for one person, or for everybody."""

    required_scope = ApiToken.Scope.SCORE

    @extend_schema(
        operation_id="score",
        summary="Score completions for a person",
        request={"application/json": schemas.SCORE_REQUEST},
        responses={200: schemas.SCORE_RESPONSE, **schemas.problems(400, 409, 413, 422, 429, 503)},
        examples=schemas.SCORE_EXAMPLES,
        tags=["rewards"],
    )
    def post(self, request: Request) -> HttpResponse:
        """The model first adapts to every judgment that the user has made so far. A response that the project knows is
        scored without encoding it; a new text is encoded once, for ever. The version and how much of the person is in the
        scores are always in the answer."""
        slug, asked = parse_score_request(request.data)
        user = caller(request)
        access = project_for(user, slug)
        rewards = score(access=access, user_id=user.pk, request=asked)
        body = answer(asked, rewards)
        if asked.explain:
            body["explanation"] = explanation(_why(Asker(access, user.pk), asked, rewards))
        return HttpResponse(orjson.dumps(body), content_type="application/json")


def _why(asker: Asker, asked: ScoreRequest, rewards: Rewards) -> Explanation | None:
    return explain_first(
        asker=asker,
        model=rewards.served.label,
        prompt=asked.prompt,
        completions=asked.completions,
        order=sorted(range(len(rewards.mean)), key=lambda index: -rewards.mean[index]),
        who=Who(user=asked.user, context=asked.context),
    )


def answer(request: ScoreRequest, rewards: Rewards) -> dict[str, Any]:
    """The body of the answer. Rewards are rounded to six decimals: below that is float32's noise."""
    columns = zip(rewards.mean, rewards.std, rewards.cached, strict=True)
    return {
        "id": f"score-{uuid.uuid4().hex}",
        "object": "list",
        "created": int(time.time()),
        "model": rewards.served.label,
        "user": request.user,
        "data": [
            {"index": index, "object": "score", "score": round(mean, 6), "std": round(std, 6), "cached": cached}
            for index, (mean, std, cached) in enumerate(columns)
        ],
        "usage": {"completions": len(rewards.mean), "encoded": rewards.cached.count(False)},
        "personalization": {"n_judgments": rewards.n_judgments, "fallback": rewards.fallback},
    }
