"""Tokens through the API: what the one in use may do; an owner's, issued, replaced and revoked."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.api.openapi import problems
from annotator.models import ApiToken


@extend_schema_serializer(component_name="Token")
class TokenSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(source="token_key", help_text="How it begins: enough to know it by.")
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiToken.Scope.choices))
    project = serializers.CharField(
        source="project.slug",
        default=None,
        allow_null=True,
        help_text="The one project that it reaches; null: all of the user's.",
    )
    created_at = serializers.DateTimeField(source="created")
    expires_at = serializers.DateTimeField(source="expiry", allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class TokenView(APIView):
    """The token in use. Any scope will do."""

    permission_classes = [IsAuthenticated]

    @extend_schema(
        operation_id="token",
        summary="Get the token in use",
        responses={200: TokenSerializer, **problems()},
        tags=["tokens"],
    )
    def get(self, request: Request) -> Response:
        """What it is called, may do and reaches."""
        return Response(TokenSerializer(request.auth).data)
