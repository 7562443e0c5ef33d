"""Addresses of the annotator app's API, below ``api/v1/``."""

from django.urls import URLPattern, URLResolver, include, path

from annotator.api import openapi  # noqa: F401 (tells drf-spectacular how callers authenticate)
from annotator.api.audit import AuditView
from annotator.api.content import (
    BulkView,
    PairStateView,
    PairsView,
    PromptsView,
    PromptView,
    ResponsesView,
)
from annotator.api.imports import ImportActView, ImportsView, ImportView
from annotator.api.judging import (
    BulkJudgmentsView,
    JudgmentsView,
    JudgmentView,
    NextView,
    ReviseView,
    WithdrawView,
)
from annotator.api.lineups import LineupDecisionView, LineupGoldView, LineupPinView, LineupStateView, LineupsView
from annotator.api.pairs import DecisionView, GoldView, PinView
from annotator.api.pictures import ConsequencesView, PicturesView, PictureView
from annotator.api.projects import ProjectArchiveView, ProjectsView, ProjectView
from annotator.api.quality import QualityView
from annotator.api.tokens import TokenRevokeView, TokenRotateView, TokensView, TokenView
from annotator.api.webhooks import (
    WebhookMessageAgainView,
    WebhookMessagesView,
    WebhookSecretView,
    WebhooksView,
    WebhookTestView,
    WebhookView,
)

PROJECT = "projects/<slug:slug>/"
HOOK = f"{PROJECT}webhooks/<int:pk>"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("annotator.api.export_urls")),
    path("token", TokenView.as_view(), name="api_token"),
    path("tokens", TokensView.as_view(), name="api_tokens"),
    path("tokens/<str:key>", TokenRevokeView.as_view(), name="api_token_revoke"),
    path("tokens/<str:key>/rotate", TokenRotateView.as_view(), name="api_token_rotate"),
    path("projects", ProjectsView.as_view(), name="api_projects"),
    path("projects/<slug:slug>", ProjectView.as_view(), name="api_project"),
    path(f"{PROJECT}archive", ProjectArchiveView.as_view(act="archive"), name="api_project_archive"),
    path(f"{PROJECT}restore", ProjectArchiveView.as_view(act="restore"), name="api_project_restore"),
    path(f"{PROJECT}audit", AuditView.as_view(), name="api_audit"),
    path(f"{PROJECT}quality", QualityView.as_view(), name="api_quality"),
    path(f"{PROJECT}prompts", PromptsView.as_view(), name="api_prompts"),
    path(f"{PROJECT}prompts/<path:ref>/responses", ResponsesView.as_view(), name="api_responses"),
    path(f"{PROJECT}prompts/<path:ref>", PromptView.as_view(), name="api_prompt"),
    path(f"{PROJECT}pictures", PicturesView.as_view(), name="api_pictures"),
    path(f"{PROJECT}pictures/<str:name>", PictureView.as_view(), name="api_picture"),
    path(f"{PROJECT}consequences", ConsequencesView.as_view(), name="api_consequences"),
    path(f"{PROJECT}pairs", PairsView.as_view(), name="api_pairs"),
    path(f"{PROJECT}pairs/<int:pk>/withdraw", PairStateView.as_view(act="withdraw"), name="api_pair_withdraw"),
    path(f"{PROJECT}pairs/<int:pk>/restore", PairStateView.as_view(act="restore"), name="api_pair_restore"),
    path(f"{PROJECT}lineups", LineupsView.as_view(), name="api_lineups"),
    path(f"{PROJECT}lineups/<int:pk>/pin", LineupPinView.as_view(), name="api_lineup_pin"),
    path(f"{PROJECT}lineups/<int:pk>/gold", LineupGoldView.as_view(), name="api_lineup_gold"),
    path(f"{PROJECT}lineups/<int:pk>/decision", LineupDecisionView.as_view(), name="api_lineup_decision"),
    path(f"{PROJECT}lineups/<int:pk>/withdraw", LineupStateView.as_view(act="withdraw"), name="api_lineup_withdraw"),
    path(f"{PROJECT}lineups/<int:pk>/restore", LineupStateView.as_view(act="restore"), name="api_lineup_restore"),
    path(f"{PROJECT}pins", PinView.as_view(), name="api_pins"),
    path(f"{PROJECT}gold", GoldView.as_view(), name="api_gold"),
    path(f"{PROJECT}decisions", DecisionView.as_view(), name="api_decisions"),
    path(f"{PROJECT}bulk", BulkView.as_view(), name="api_bulk"),
    path(f"{PROJECT}imports", ImportsView.as_view(), name="api_imports"),
    path(f"{PROJECT}imports/<int:pk>", ImportView.as_view(), name="api_import"),
    path(f"{PROJECT}imports/<int:pk>/confirm", ImportActView.as_view(act="confirm"), name="api_import_confirm"),
    path(f"{PROJECT}imports/<int:pk>/cancel", ImportActView.as_view(act="cancel"), name="api_import_cancel"),
    path(f"{PROJECT}next", NextView.as_view(), name="api_next"),
    path(f"{PROJECT}judgments", JudgmentsView.as_view(), name="api_judgments"),
    path(f"{PROJECT}judgments/bulk", BulkJudgmentsView.as_view(), name="api_judgments_bulk"),
    path(f"{PROJECT}judgments/<int:pk>", JudgmentView.as_view(), name="api_judgment"),
    path(f"{PROJECT}judgments/<int:pk>/revise", ReviseView.as_view(), name="api_revise"),
    path(f"{PROJECT}judgments/<int:pk>/withdraw", WithdrawView.as_view(), name="api_withdraw"),
    path(f"{PROJECT}webhooks", WebhooksView.as_view(), name="api_webhooks"),
    path(HOOK, WebhookView.as_view(), name="api_webhook"),
    path(f"{HOOK}/secret", WebhookSecretView.as_view(), name="api_webhook_secret"),
    path(f"{HOOK}/test", WebhookTestView.as_view(), name="api_webhook_test"),
    path(f"{HOOK}/messages", WebhookMessagesView.as_view(), name="api_webhook_messages"),
    path(f"{HOOK}/messages/<str:message>/again", WebhookMessageAgainView.as_view(), name="api_webhook_again"),
]
