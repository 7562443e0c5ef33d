"""Examples for the OpenAPI document."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample

_ASSIGNMENT = "0b7c9f58-4a86-4f25-a5e8-6f6b6cbd5e2d"

PROJECT = [
    OpenApiExample(
        "A project",
        value={
            "slug": "everyday",
            "name": "Everyday questions",
            "description": "Which answer helps you more?",
            "role": "owner",
            "archived": False,
            "instructions": "Read both answers before you choose.",
            "reason_tags": [{"key": "clear", "label": "Clear"}],
            "rationales": "optional",
            "overlap": 3,
            "lease_minutes": 30,
            "counts": {"pairs": 360, "judgments": 4012, "annotators": 49},
        },
        response_only=True,
    )
]
NEXT = [
    OpenApiExample(
        "A pair",
        value={
            "assignment": _ASSIGNMENT,
            "annotator": "anna",
            "prompt": {"ref": "eggs", "messages": [{"role": "user", "content": "How long do I boil eggs?"}]},
            "a": {"text": "Ten minutes."},
            "b": {"text": "That depends on how you like them. For a soft yolk …"},
            "reason_tags": [{"key": "clear", "label": "Clear"}],
            "rationales": "optional",
            "lease_until": "2026-11-23T12:30:00Z",
        },
        response_only=True,
    )
]
JUDGMENT_IN = [
    OpenApiExample(
        "The left one is clearly better",
        value={
            "assignment": _ASSIGNMENT,
            "choice": "a",
            "strength": 2,
            "tags": [{"tag": "clear", "side": "a", "good": True}],
            "rationale": "It answers the question.",
            "seconds": 14.2,
        },
        request_only=True,
    ),
    OpenApiExample(
        "No opinion",
        value={"assignment": _ASSIGNMENT, "choice": "skip", "skip_reason": "I don't eat eggs."},
        request_only=True,
    ),
]
JUDGMENT_STORED = [
    OpenApiExample(
        "Stored",
        value={
            "id": 4013,
            "assignment": _ASSIGNMENT,
            "annotator": "anna",
            "choice": "a",
            "strength": 2,
            "revision": 1,
            "withdrawn": False,
            "judged_at": "2026-11-23T12:01:14Z",
            "guess": 0.71,
        },
        response_only=True,
    )
]
JUDGMENT = [
    OpenApiExample(
        "A judgment",
        value={
            "id": 4013,
            "annotator": "anna",
            "prompt": "eggs",
            "response_a": "short",
            "response_b": "long",
            "choice": "a",
            "strength": 2,
            "skip_reason": "",
            "swapped": False,
            "repeat": False,
            "rationale": "It answers the question.",
            "tags": [{"tag": "clear", "side": "a", "good": True}],
            "seconds": 14.2,
            "revision": 1,
            "source": "api",
            "judged_at": "2026-11-23T12:01:14Z",
        },
        response_only=True,
    )
]
