"""Webhooks through the API: set up, tried out, and what was sent to them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from annotator.api.content import owned
from annotator.api.fields import StrictSerializer, Text, Truth, expect_no_body
from annotator.api.openapi import IDEMPOTENCY_KEY, problems
from annotator.api.pagination import PARAMETERS, listed, page_of
from annotator.api.permissions import caller
from annotator.api.writes import written_once
from annotator.errors import NotFound
from annotator.models import ApiToken, Webhook, WebhookMessage
from annotator.outbound import MAX_URL
from annotator.services.webhooks import (
    add_webhook,
    change_webhook,
    remove_webhook,
    renew_secret,
    send_again,
    send_test,
)


@extend_schema_serializer(component_name="WebhookIn")
class WebhookInSerializer(StrictSerializer):
    url = Text(max_length=MAX_URL, help_text="https://, of a public address.")
    events = serializers.ListField(child=serializers.ChoiceField(Webhook.Event.choices), allow_empty=False)


@extend_schema_serializer(component_name="WebhookChange")
class WebhookChangeSerializer(StrictSerializer):
    url = Text(max_length=MAX_URL, required=False)
    events = serializers.ListField(
        child=serializers.ChoiceField(Webhook.Event.choices), allow_empty=False, required=False
    )
    enabled = Truth(required=False)


@extend_schema_serializer(component_name="Webhook")
class WebhookSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    enabled = serializers.SerializerMethodField()
    disabled_why = serializers.CharField()
    created_at = serializers.DateTimeField()

    def get_enabled(self, webhook: Webhook) -> bool:
        return webhook.disabled_at is None


@extend_schema_serializer(component_name="WebhookWithSecret")
class WebhookSecretSerializer(WebhookSerializer):
    secret = serializers.CharField(help_text="Signs what is sent; shown this once.")


@extend_schema_serializer(component_name="WebhookMessage")
class WebhookMessageSerializer(serializers.Serializer[Any]):
    id = serializers.SerializerMethodField(help_text="The header webhook-id: the same over all tries.")
    event = serializers.CharField()
    created_at = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    next_at = serializers.DateTimeField(allow_null=True, help_text="When it is tried again; null: never.")
    delivered_at = serializers.DateTimeField(allow_null=True)
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField()

    def get_id(self, message: WebhookMessage) -> str:
        return f"msg_{message.key.hex}"


class ManageView(APIView):
    """For tokens that may set up."""

    required_scope = ApiToken.Scope.MANAGE


class WebhooksView(ManageView):
    """A project's webhooks."""

    filters = ()

    @extend_schema(
        operation_id="webhooks",
        summary="List webhooks",
        parameters=PARAMETERS,
        responses={200: page_of("WebhookPage", WebhookSerializer), **problems(400)},
        tags=["webhooks"],
    )
    def get(self, request: Request, slug: str) -> Response:
        """Without their secrets."""
        return listed(Webhook.objects.filter(project=owned(request, slug)), request, WebhookSerializer)

    @extend_schema(
        operation_id="add_webhook",
        summary="Add a webhook",
        request=WebhookInSerializer,
        responses={201: WebhookSecretSerializer, **problems(400, 409, 413, 422)},
        tags=["webhooks"],
    )
    def post(self, request: Request, slug: str) -> Response:
        """The answer has its secret, which is not shown again."""
        project = owned(request, slug)
        body = WebhookInSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        webhook = add_webhook(project=project, by=caller(request), **body.validated_data)
        return Response(WebhookSecretSerializer(webhook).data, status=201)


class WebhookView(ManageView):
    """One webhook."""

    @extend_schema(
        operation_id="webhook",
        summary="Get one webhook",
        responses={200: WebhookSerializer, **problems()},
        tags=["webhooks"],
    )
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """Without its secret."""
        return Response(WebhookSerializer(_webhook(request, slug, pk)).data)

    @extend_schema(
        operation_id="change_webhook",
        summary="Change a webhook",
        request=WebhookChangeSerializer,
        responses={200: WebhookSerializer, **problems(400, 413, 422)},
        tags=["webhooks"],
    )
    def patch(self, request: Request, slug: str, pk: int) -> Response:
        """What is given. Enabling one again also sends what had not been delivered."""
        webhook = _webhook(request, slug, pk)
        body = WebhookChangeSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        change_webhook(webhook=webhook, by=caller(request), **body.validated_data)
        return Response(WebhookSerializer(webhook).data)

    @extend_schema(
        operation_id="remove_webhook",
        summary="Remove a webhook",
        responses={204: None, **problems()},
        tags=["webhooks"],
    )
    def delete(self, request: Request, slug: str, pk: int) -> Response:
        """What was not delivered yet never is."""
        remove_webhook(webhook=_webhook(request, slug, pk), by=caller(request))
        return Response(status=204)


class WebhookSecretView(ManageView):
    """Another secret."""

    @extend_schema(
        operation_id="renew_webhook_secret",
        summary="Renew a webhook's secret",
        request=None,
        responses={200: WebhookSecretSerializer, **problems(413, 422)},
        tags=["webhooks"],
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """It signs from now on; the old one no more."""
        expect_no_body(request)
        webhook = _webhook(request, slug, pk)
        renew_secret(webhook=webhook, by=caller(request))
        return Response(WebhookSecretSerializer(webhook).data)


class WebhookTestView(ManageView):
    """A message to try a webhook with."""

    @extend_schema(
        operation_id="test_webhook",
        summary="Send a test",
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={201: WebhookMessageSerializer, **problems(413, 422)},
        tags=["webhooks"],
    )
    def post(self, request: Request, slug: str, pk: int) -> Response:
        """It goes out within seconds; look it up among the messages."""
        expect_no_body(request)
        webhook = _webhook(request, slug, pk)
        return written_once(request, lambda: (201, WebhookMessageSerializer(send_test(webhook=webhook)).data))


class WebhookMessagesView(ManageView):
    """What was sent to a webhook."""

    filters = ()

    @extend_schema(
        operation_id="webhook_messages",
        summary="List messages",
        parameters=PARAMETERS,
        responses={200: page_of("WebhookMessagePage", WebhookMessageSerializer), **problems(400)},
        tags=["webhooks"],
    )
    def get(self, request: Request, slug: str, pk: int) -> Response:
        """Oldest first; kept for 30 days."""
        return listed(
            WebhookMessage.objects.filter(webhook=_webhook(request, slug, pk)), request, WebhookMessageSerializer
        )


class WebhookMessageAgainView(ManageView):
    """Sending a message once more."""

    @extend_schema(
        operation_id="send_webhook_message_again",
        summary="Send a message again",
        request=None,
        responses={200: WebhookMessageSerializer, **problems(413, 422)},
        tags=["webhooks"],
    )
    def post(self, request: Request, slug: str, pk: int, message: str) -> Response:
        """Under the same id."""
        expect_no_body(request)
        key = message.removeprefix("msg_")
        rows = WebhookMessage.objects.filter(webhook=_webhook(request, slug, pk)).select_related("webhook__project")
        found = rows.filter(key=key).first() if len(key) == 32 and set(key) <= set("0123456789abcdef") else None
        if found is None:
            raise NotFound("There is no such message.")
        send_again(message=found, by=caller(request))
        found.refresh_from_db()
        return Response(WebhookMessageSerializer(found).data)


def _webhook(request: Request, slug: str, pk: int) -> Webhook:
    webhook = Webhook.objects.filter(project=owned(request, slug), pk=pk).select_related("project").first()
    if webhook is None:
        raise NotFound(f"There is no webhook {pk} in this project.")
    return webhook
