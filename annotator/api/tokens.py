"""Tokens through the API: what the one in use may do; an owner's, issued, replaced and revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.access import project_for
from annotator.api.fields import StrictSerializer, Text, Whole
from annotator.api.openapi import problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import KnownParameters, caller
from annotator.errors import Invalid, NotFound
from annotator.models import ApiToken
from annotator.services.tokens import MAX_NAME, issue_token, revoke_token, rotate_token


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
    rate_limit = serializers.IntegerField(allow_null=True, help_text="Requests a minute; null: the installation's.")


class TokenView(APIView):
    """The token in use. Any scope will do."""

    permission_classes = [IsAuthenticated, KnownParameters]

    @extend_schema(
        operation_id="token",
        summary="Get the token in use",
        responses={200: TokenSerializer, **problems()},
        tags=["tokens"],
    )
    def get(self, request: Request) -> Response:
        """What it is called, may do and reaches."""
        return Response(TokenSerializer(request.auth).data)


@extend_schema_serializer(component_name="TokenIn")
class TokenInSerializer(StrictSerializer):
    name = Text(max_length=MAX_NAME)
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiToken.Scope.choices), allow_empty=False)
    project = Text(max_length=80, allow_null=True, default=None, help_text="The one project that it shall reach.")
    expires_at = serializers.DateTimeField(allow_null=True, default=None)
    rate_limit = Whole(min_value=1, max_value=2**31 - 1, allow_null=True, default=None, help_text="Requests a minute.")


@extend_schema_serializer(component_name="TokenRotation")
class RotationSerializer(StrictSerializer):
    overlap_seconds = Whole(
        min_value=0, max_value=7 * 86_400, default=0, help_text="So long the old secret still works."
    )


@extend_schema_serializer(component_name="TokenWithSecret")
class TokenSecretSerializer(TokenSerializer):
    token = serializers.CharField(help_text="The token itself; shown this once.")


class TokensView(APIView):
    """The tokens of the token's user."""

    required_scope = ApiToken.Scope.MANAGE
    filters = ()

    @extend_schema(
        operation_id="tokens",
        summary="List your tokens",
        parameters=PARAMETERS,
        responses={200: page_of("TokenPage", TokenSerializer), **problems(400)},
        tags=["tokens"],
    )
    def get(self, request: Request) -> Response:
        """Those that reach no more than the one in use."""
        return listed(_within(request), request, TokenSerializer)

    @extend_schema(
        operation_id="issue_token",
        summary="Issue a token",
        request=TokenInSerializer,
        responses={201: TokenSecretSerializer, **problems(400, 413, 422)},
        tags=["tokens"],
    )
    def post(self, request: Request) -> Response:
        """It can do no more than the one in use: no other scopes, no other projects, no later end, no higher rate."""
        body = TokenInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        said = _bounded(in_use(request), body.validated_data)
        slug = said["project"]
        project = project_for(caller(request), slug).project if slug else in_use(request).project
        token, plain = issue_token(
            user=caller(request),
            name=said["name"],
            scopes=said["scopes"],
            project=project,
            expires=said["expires_at"],
            rate_limit=said["rate_limit"],
        )
        return _with_secret(token, plain, 201)


class TokenRotateView(APIView):
    """A new secret for a token."""

    required_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="rotate_token",
        summary="Replace a token's secret",
        request=RotationSerializer,
        responses={200: TokenSecretSerializer, **problems(400, 413, 422)},
        tags=["tokens"],
    )
    def post(self, request: Request, key: str) -> Response:
        """The old one works on for `overlap_seconds`, so that what uses it can be changed meanwhile."""
        body = RotationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        overlap = timedelta(seconds=body.validated_data["overlap_seconds"])
        token, plain = rotate_token(token=_called(request, key), by=caller(request), overlap=overlap)
        return _with_secret(token, plain, 200)


class TokenRevokeView(APIView):
    """One token."""

    required_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="revoke_token", summary="Revoke a token", responses={204: None, **problems()}, tags=["tokens"]
    )
    def delete(self, request: Request, key: str) -> Response:
        """From now on nobody gets in with it."""
        revoke_token(token=_called(request, key), by=caller(request))
        return Response(status=204)


def in_use(request: Request) -> ApiToken:
    """The token of this request."""
    if not isinstance(request.auth, ApiToken):
        raise NotAuthenticated
    return request.auth


def _within(request: Request) -> QuerySet[ApiToken]:
    """The user's tokens that the one in use may handle: of its project alone, where it is limited to one."""
    rows: QuerySet[ApiToken] = ApiToken.objects.filter(user=caller(request)).select_related("project", "user")
    reaches = in_use(request).project_id
    return rows.filter(project=reaches) if reaches else rows


def _called(request: Request, key: str) -> ApiToken:
    token = _within(request).filter(token_key=key.replace("\x00", "")).exclude(token_key="").first()
    own = set(in_use(request).scopes)
    if token is None or not set(token.scopes) <= own:
        raise NotFound(f"There is no token {key[:20]}… that this one may handle.")
    return token


def _bounded(own: ApiToken, said: dict[str, Any]) -> dict[str, Any]:
    """What was asked, unless it is more than ``own`` may. Raises ``Invalid``."""
    fields = {}
    if more := sorted(set(said["scopes"]) - set(own.scopes)):
        fields["scopes"] = f"“{more[0]}” is more than this token may itself."
    if own.project and said["project"] not in (None, own.project.slug):
        fields["project"] = "This token reaches another project only."
    if own.expiry and (said["expires_at"] is None or said["expires_at"] > own.expiry):
        fields["expires_at"] = f"This token itself ends at {own.expiry.isoformat()}."
    if own.rate_limit and (said["rate_limit"] is None or said["rate_limit"] > own.rate_limit):
        fields["rate_limit"] = f"This token itself has {own.rate_limit}."
    if fields:
        raise Invalid(" ".join(fields.values()), fields=fields)
    return said


def _with_secret(token: ApiToken, plain: str, status: int) -> Response:
    body = TokenSerializer(token).data
    return Response({**body, "token": plain}, status=status, headers={"Cache-Control": "no-store"})
