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
from personalization.api.parsing import parse_score_request
from personalization.scoring import Rewards, ScoreRequest, score


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
        rewards = score(access=project_for(user, slug), user_id=user.pk, request=asked)
        return HttpResponse(orjson.dumps(answer(asked, rewards)), content_type="application/json")


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
