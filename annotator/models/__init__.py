"""Tables of people, projects, what is judged and what was said of it."""

from annotator.models.content import Lineup, Pair, Picture, Prompt, Response
from annotator.models.erasing import Erasure
from annotator.models.jobs import Job, JobState
from annotator.models.judging import (
    HINDSIGHT,
    Aspect,
    AspectComparison,
    AspectImportance,
    AspectRating,
    Assignment,
    Flag,
    Judgment,
    Rationale,
    Span,
)
from annotator.models.people import Annotator, ApiToken, Invite, Membership, Role, User
from annotator.models.projects import Project
from annotator.models.quality import Adjudication, AnnotatorQuality, ModelFit, QualityReport, QualityStep
from annotator.models.records import AuditEntry, Draft, IdempotencyRecord, ImportBatch, ImportMark
from annotator.models.webhooks import Webhook, WebhookMessage

__all__ = [
    "HINDSIGHT",
    "Adjudication",
    "Annotator",
    "AnnotatorQuality",
    "ApiToken",
    "Aspect",
    "AspectComparison",
    "AspectImportance",
    "AspectRating",
    "Assignment",
    "AuditEntry",
    "Draft",
    "Erasure",
    "Flag",
    "IdempotencyRecord",
    "ImportBatch",
    "ImportMark",
    "Invite",
    "Job",
    "JobState",
    "Judgment",
    "Lineup",
    "Membership",
    "ModelFit",
    "Pair",
    "Picture",
    "Project",
    "Prompt",
    "QualityReport",
    "QualityStep",
    "Rationale",
    "Response",
    "Role",
    "Span",
    "User",
    "Webhook",
    "WebhookMessage",
]
