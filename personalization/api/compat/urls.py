"""Addresses of the drop-in routes, at the root and below ``/u/<user>/`` for clients that can't name a user elsewhere."""

from collections.abc import Callable
from typing import Any

from django.urls import URLPattern, path

from personalization.api.compat.openrlhf import OpenRLHFView
from personalization.api.compat.rerank import PredictView, RerankView
from personalization.api.compat.vllm import ClassifyView, EmbeddingsView, ScoreView

ROUTES: dict[str, Callable[..., Any]] = {
    "openrlhf": OpenRLHFView.as_view(),
    "get_reward": OpenRLHFView.as_view(),
    "classify": ClassifyView.as_view(),
    "score": ScoreView.as_view(),
    "v1/score": ScoreView.as_view(),
    "rerank": RerankView.as_view(),
    "v1/rerank": RerankView.as_view(),
    "v2/rerank": RerankView.as_view(),
    "predict": PredictView.as_view(),
    "v1/embeddings": EmbeddingsView.as_view(),
}

urlpatterns: list[URLPattern] = [
    *(path(route, view) for route, view in ROUTES.items()),
    *(path(f"u/<str:who>/{route}", view) for route, view in ROUTES.items()),
]
