"""Addresses of the annotator app's API, below ``api/v1/``."""

from django.urls import URLPattern, URLResolver, include, path

from annotator.api import openapi  # noqa: F401 (tells drf-spectacular how callers authenticate)
from annotator.api.judging import JudgmentsView, NextView, WithdrawView
from annotator.api.pairs import DecisionView, GoldView, PinView
from annotator.api.projects import ProjectsView, ProjectView
from annotator.api.quality import QualityView
from annotator.api.tokens import TokenView

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("annotator.api.export_urls")),
    path("token", TokenView.as_view(), name="api_token"),
    path("projects", ProjectsView.as_view(), name="api_projects"),
    path("projects/<slug:slug>", ProjectView.as_view(), name="api_project"),
    path("projects/<slug:slug>/quality", QualityView.as_view(), name="api_quality"),
    path("projects/<slug:slug>/pins", PinView.as_view(), name="api_pins"),
    path("projects/<slug:slug>/gold", GoldView.as_view(), name="api_gold"),
    path("projects/<slug:slug>/decisions", DecisionView.as_view(), name="api_decisions"),
    path("projects/<slug:slug>/next", NextView.as_view(), name="api_next"),
    path("projects/<slug:slug>/judgments", JudgmentsView.as_view(), name="api_judgments"),
    path("projects/<slug:slug>/judgments/<int:pk>/withdraw", WithdrawView.as_view(), name="api_withdraw"),
]
