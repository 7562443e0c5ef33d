"""Addresses of rewards, below ``api/v1/``: by themselves, as a trainer asks for them a million times and they are looked for first."""

from django.urls import URLPattern, path

from personalization.api.rewards import BatchView, BestOfView, CompareView, PopulationView, RankView
from personalization.api.score import ScoreView

urlpatterns: list[URLPattern] = [
    path("score", ScoreView.as_view(), name="api_score"),
    path("score/batch", BatchView.as_view(), name="api_score_batch"),
    path("score/population", PopulationView.as_view(), name="api_score_population"),
    path("rank", RankView.as_view(), name="api_rank"),
    path("best-of-n", BestOfView.as_view(), name="api_best_of_n"),
    path("compare", CompareView.as_view(), name="api_compare"),
]
