"""Who did what to a project."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.api.content import owned
from annotator.api.content_serializers import ObjectField
from annotator.api.openapi import problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.models import ApiToken, AuditEntry


@extend_schema_serializer(component_name="AuditEntry")
class AuditEntrySerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    by = serializers.EmailField(source="by.email", default=None, allow_null=True, help_text="null: by itself.")
    what = serializers.CharField()
    about = ObjectField()


class AuditView(APIView):
    """A project's audit log."""

    required_scope = ApiToken.Scope.MANAGE
    filters = ()

    @extend_schema(
        operation_id="audit",
        summary="Who did what",
        parameters=PARAMETERS,
        responses={200: page_of("AuditPage", AuditEntrySerializer), **problems(400)},
        tags=["projects"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Oldest first. For owners."""
        rows = AuditEntry.objects.filter(project=owned(request, slug)).select_related("by")
        return listed(rows, request, AuditEntrySerializer)
