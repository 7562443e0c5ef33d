"""Addresses of runs and versions, below ``api/v1/``."""

from django.urls import URLPattern, path

from training.api.runs import KindsView, PromoteView, RunCancelView, RunsView, RunView, VersionsView

PREFIX = "projects/<slug:slug>/"

urlpatterns: list[URLPattern] = [
    path("models", KindsView.as_view(), name="api_model_kinds"),
    path(PREFIX + "runs", RunsView.as_view(), name="api_runs"),
    path(PREFIX + "runs/<int:number>", RunView.as_view(), name="api_run"),
    path(PREFIX + "runs/<int:number>/cancel", RunCancelView.as_view(), name="api_run_cancel"),
    path(PREFIX + "models", VersionsView.as_view(), name="api_versions"),
    path(PREFIX + "models/<str:version>/promote", PromoteView.as_view(), name="api_promote"),
]
