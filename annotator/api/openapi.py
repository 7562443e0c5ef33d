"""What the OpenAPI document says about every route: how to authenticate, and how errors look."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers


class Problem(serializers.Serializer[Any]):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="What was wrong, for a person.")
    code = serializers.CharField(help_text="What was wrong, for a program; stable.")
    fields = serializers.DictField(  # type: ignore[assignment]
        child=serializers.CharField(), required=False, help_text="What is wrong with which field."
    )


PROBLEM = Problem

_MEANING = {
    400: "The body is not JSON, a header is missing, or a parameter is unknown.",
    401: "No token, or one that is unknown, revoked or expired.",
    403: "The role or the token's scope does not allow this.",
    404: "There is no such thing, or it is not the caller's.",
    409: "It contradicts what is stored, or the lease is lost.",
    412: "It was changed by somebody else meanwhile.",
    413: "The body is too long.",
    422: "A field is wrong; `fields` names it.",
    428: "The header If-Match is missing.",
}


def problems(*statuses: int) -> dict[Any, OpenApiResponse]:
    """The error answers of a route, for ``extend_schema(responses=…)``; 400, 401, 403 and 404 are everywhere."""
    return {
        (status, "application/problem+json"): OpenApiResponse(Problem, description=_MEANING[status])
        for status in sorted({400, 401, 403, 404, *statuses})
    }


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="Up to 200 characters of your choice, new for every write. A repeated request with the same key is"
    " not carried out again: it gets the first answer, with the header `Idempotent-Replayed: true`.",
    examples=[OpenApiExample("A UUID", "7c1e6d9e-5d3f-4f0a-9a51-0f1c9c3ad111")],
)


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The two ways to send a token."""

    target_class = "annotator.api.authentication.ApiTokenAuthentication"
    name = ["Bearer", "Basic"]

    def get_security_requirement(self, auto_schema: Any) -> Any:  # noqa: ARG002 (the library's signature)
        return [{name: []} for name in self.name]  # either will do

    def get_security_definition(self, auto_schema: Any) -> Any:  # noqa: ARG002 (the library's signature)
        return [
            {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer <token>`"},
            {"type": "http", "scheme": "basic", "description": "Any user name, the token as the password."},
        ]
