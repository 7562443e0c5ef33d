"""A login's deletion through the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.api.openapi import problems
from annotator.api.permissions import caller
from annotator.models import ApiToken
from personalization.logins import delete_login, login_called


class LoginErasureSerializer(serializers.Serializer[Any]):
    project = serializers.CharField(source="project.slug")
    id = serializers.UUIDField(source="key", help_text="As in the project's erasures, where its progress is.")


@extend_schema_serializer(component_name="LoginDeletion")
class LoginDeletionSerializer(serializers.Serializer[Any]):
    """What was removed with a login, and what remains."""

    removed = serializers.DictField(
        child=serializers.IntegerField(), help_text="The login's own rows by what they were."
    )
    erasures = LoginErasureSerializer(many=True, help_text="One for each project that they were an annotator of.")
    remains = serializers.ListField(child=serializers.CharField(), help_text="What is left and why, in sentences.")


class LoginView(APIView):
    """A login and everything that hangs on it."""

    required_scope = ApiToken.Scope.MANAGE

    @extend_schema(
        operation_id="delete_login",
        summary="Delete a login",
        responses={200: LoginDeletionSerializer, **problems(409)},
        tags=["annotators"],
    )
    def delete(self, request: Request, email: str) -> Response:
        """The person is erased in every project, then the login goes with its tokens, for good. By themselves, by an owner of
        every project that they are in, and by administrators; with a token that is not limited to one project."""
        by = caller(request)
        done = delete_login(user=login_called(email, by=by), by=by)
        return Response(LoginDeletionSerializer(done).data)
