"""Addresses of runs and versions, below ``api/v1/``."""

from django.urls import URLPattern, path

from training.api.policies import (
    PoliciesView,
    PolicyRunCancelView,
    PolicyRunContinueView,
    PolicyRunsView,
    PolicyRunView,
)
from training.api.runs import KindsView, PromoteView, RunCancelView, RunsView, RunView, VersionsView
from training.api.snapshots import SnapshotDiffView, SnapshotsView, SnapshotView
from training.api.trials import TrialsView, TrialView

PREFIX = "projects/<slug:slug>/"

urlpatterns: list[URLPattern] = [
    path("models", KindsView.as_view(), name="api_model_kinds"),
    path(PREFIX + "runs", RunsView.as_view(), name="api_runs"),
    path(PREFIX + "runs/<int:number>", RunView.as_view(), name="api_run"),
    path(PREFIX + "runs/<int:number>/cancel", RunCancelView.as_view(), name="api_run_cancel"),
    path(PREFIX + "models", VersionsView.as_view(), name="api_versions"),
    path(PREFIX + "models/<str:version>/promote", PromoteView.as_view(), name="api_promote"),
    path(PREFIX + "snapshots", SnapshotsView.as_view(), name="api_snapshots"),
    path(PREFIX + "snapshots/<str:snapshot>", SnapshotView.as_view(), name="api_snapshot"),
    path(PREFIX + "snapshots/<str:before>/diff/<str:after>", SnapshotDiffView.as_view(), name="api_snapshot_diff"),
    path(PREFIX + "policies", PoliciesView.as_view(), name="api_policies"),
    path(PREFIX + "policies/trials", TrialsView.as_view(), name="api_policy_trials"),
    path(PREFIX + "policies/trials/<int:trial>", TrialView.as_view(), name="api_policy_trial"),
    path(PREFIX + "policies/runs", PolicyRunsView.as_view(), name="api_policy_runs"),
    path(PREFIX + "policies/runs/<int:number>", PolicyRunView.as_view(), name="api_policy_run"),
    path(PREFIX + "policies/runs/<int:number>/cancel", PolicyRunCancelView.as_view(), name="api_policy_run_cancel"),
    path(
        PREFIX + "policies/runs/<int:number>/continue", PolicyRunContinueView.as_view(), name="api_policy_run_continue"
    ),
]
