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
            "kinds": ["pair"],
            "scale": "1-5",
            "scale_low": "",
            "scale_high": "",
            "critique_min": 0,
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
        "A ranking",
        value={
            "kind": "ranking",
            "assignment": _ASSIGNMENT,
            "annotator": "anna",
            "prompt": {"ref": "eggs", "messages": [{"role": "user", "content": "How long do I boil eggs?"}]},
            "a": None,
            "b": None,
            "responses": [{"text": "Ten minutes."}, {"text": "That depends …"}, {"text": "Until they are done."}],
            "scale": None,
            "reason_tags": [{"key": "clear", "label": "Clear"}],
            "aspects": [],
            "rationales": "optional",
            "rationale_min": 0,
            "lease_until": "2026-11-23T12:30:00Z",
        },
        response_only=True,
    ),
    OpenApiExample(
        "A pair",
        value={
            "kind": "pair",
            "responses": [],
            "scale": None,
            "assignment": _ASSIGNMENT,
            "annotator": "anna",
            "prompt": {"ref": "eggs", "messages": [{"role": "user", "content": "How long do I boil eggs?"}]},
            "a": {"text": "Ten minutes.", "picture": None, "after": [], "consequence": ""},
            "b": {"text": "That depends on your taste …", "picture": None, "after": [], "consequence": ""},
            "hindsight": False,
            "reason_tags": [{"key": "clear", "label": "Clear"}],
            "aspects": [{"key": "tone", "name": "Tone", "way": "compare", "steps": 5}],
            "rationales": "optional",
            "rationale_min": 0,
            "lease_until": "2026-11-23T12:30:00Z",
        },
        response_only=True,
    ),
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
        "An order: the second best, the others equal",
        value={"assignment": _ASSIGNMENT, "choice": "ranked", "ranking": [[2], [1, 3]], "rationale": "It says why."},
        request_only=True,
    ),
    OpenApiExample(
        "A rating with its critique",
        value={
            "assignment": _ASSIGNMENT,
            "choice": "rated",
            "rating": 4,
            "rationale": "Right, but it leaves out the salt.",
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
            "kind": "pair",
            "choice": "a",
            "strength": 2,
            "ranking": [],
            "rating": None,
            "revision": 1,
            "withdrawn": False,
            "judged_at": "2026-11-23T12:01:14Z",
            "guess": 0.71,
            "machines": [{"name": "Judge", "choice": "b", "swayed": False}],
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
            "kind": "pair",
            "prompt": "eggs",
            "response_a": "short",
            "response_b": "long",
            "responses": [],
            "choice": "a",
            "strength": 2,
            "ranking": None,
            "rating": None,
            "scale": "",
            "shown": [],
            "skip_reason": "",
            "swapped": False,
            "repeat": False,
            "hindsight": False,
            "rationale": "It answers the question.",
            "tags": [{"tag": "clear", "side": "a", "good": True}],
            "spans": [
                {
                    "response": "a",
                    "start": 0,
                    "end": 11,
                    "quote": "Ten minutes",
                    "good": True,
                    "tag": "clear",
                    "comment": "",
                }
            ],
            "flag": None,
            "seconds": 14.2,
            "revision": 1,
            "source": "api",
            "judged_at": "2026-11-23T12:01:14Z",
        },
        response_only=True,
    )
]

_ALPHA = {"estimate": 0.31, "low": 0.27, "high": 0.35}
_AGREEMENT = {"units": 412, "answers": 1236, "raw": {"estimate": 0.61, "low": 0.58, "high": 0.63}, "alpha": _ALPHA}
_SHARE = {"estimate": 0.51, "low": 0.48, "high": 0.54, "of": 1180}
QUALITY = [
    OpenApiExample(
        "A report",
        value={
            "computed_at": "2026-11-25T15:00:00Z",
            "people": {
                "annotators": 24,
                "judgments": 1236,
                "usual": {"seconds": 21.4, "others": 0.61, "sides": 0.72, "same": 0.87, "fit": 0.7},
                "verdicts": {"typical": 20, "minority": 1, "contrary": 1, "inconsistent": 1, "": 1},
                "nominal": _AGREEMENT,
                "ordinal": _AGREEMENT,
                "topics": [{"topic": "kitchen", "nominal": _AGREEMENT, "ordinal": _AGREEMENT}],
                "aspects": [],
                "left": _SHARE,
                "longer": _SHARE,
                "ties": {"estimate": 0.08, "low": 0.07, "high": 0.1, "of": 1236},
                "gold": None,
                "same": {"estimate": 0.87, "low": 0.78, "high": 0.92, "of": 84},
                "fit": {"estimate": 0.7, "low": 0.67, "high": 0.73, "of": 1002},
                "cyclic": {"estimate": 0.04, "low": 0.02, "high": 0.07, "of": 260},
                "cyclic_own": {"estimate": 0.06, "low": 0.04, "high": 0.09, "of": 310},
            },
            "simulated": None,
        },
        response_only=True,
    )
]
