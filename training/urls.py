"""Addresses of the training app's pages and API."""

from django.urls import URLPattern, URLResolver, include, path

from training.views import listing, policies, run, snapshots, version

PREFIX = "projects/<slug:slug>/models/"
SNAPSHOTS = "projects/<slug:slug>/snapshots/"
POLICIES = "projects/<slug:slug>/policies/"

urlpatterns: list[URLPattern | URLResolver] = [
    path(PREFIX, listing.models, name="models"),
    path(PREFIX + "card/", listing.models_card, name="models_card"),
    path(PREFIX + "doubtful/", listing.doubts, name="doubts"),
    path(PREFIX + "train/", listing.train, name="train"),
    path(PREFIX + "roll-back/", listing.roll_back, name="roll_back"),
    path(PREFIX + "runs/<int:number>/", run.run, name="run"),
    path(PREFIX + "runs/<int:number>/live/", run.run_live, name="run_live"),
    path(PREFIX + "runs/<int:number>/cancel/", run.run_cancel, name="run_cancel"),
    path(PREFIX + "<int:number>/", version.version, name="version"),
    path(PREFIX + "<int:number>/promote/", version.version_promote, name="version_promote"),
    path(PREFIX + "<int:number>/retire/", version.version_retire, name="version_retire"),
    path(SNAPSHOTS, snapshots.snapshots, name="snapshots"),
    path(SNAPSHOTS + "new/", snapshots.snapshot_new, name="snapshot_new"),
    path(SNAPSHOTS + "compare/", snapshots.snapshot_diff, name="snapshot_diff"),
    path(SNAPSHOTS + "<str:digest>/name/", snapshots.snapshot_name, name="snapshot_name"),
    path(POLICIES, policies.policies, name="policies"),
    path(POLICIES + "train/", policies.policy_train, name="policy_train"),
    path(POLICIES + "runs/<int:number>/", policies.policy_run, name="policy_run"),
    path(POLICIES + "runs/<int:number>/live/", policies.policy_run_live, name="policy_run_live"),
    path(POLICIES + "runs/<int:number>/cancel/", policies.policy_run_cancel, name="policy_run_cancel"),
    path(POLICIES + "runs/<int:number>/continue/", policies.policy_run_continue, name="policy_run_continue"),
    path(POLICIES + "<int:number>/", policies.policy, name="policy"),
    path(POLICIES + "<int:number>/retire/", policies.policy_retire, name="policy_retire"),
    path("api/v1/", include("training.api.urls")),
]
