"""Webhooks: addresses of the owner's that are told what happens, what was sent to them, and what became of it."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from annotator.access import Access, project_for
from annotator.errors import Conflict, Invalid
from annotator.forms import PlainForm
from annotator.models import Role, Webhook, WebhookMessage
from annotator.outbound import MAX_URL
from annotator.services.webhooks import (
    add_webhook,
    change_webhook,
    remove_webhook,
    renew_secret,
    send_again,
    send_test,
)
from annotator.views.pages import paged, project_page, row_of, signed_in


class WebhookForm(PlainForm):
    """Where to send what."""

    url = forms.CharField(
        label=gettext_lazy("Address"), max_length=MAX_URL, help_text=gettext_lazy("https://, of a public address.")
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("Tell it of"), choices=Webhook.Event.choices, widget=forms.CheckboxSelectMultiple
    )


@require_http_methods(["GET", "POST"])
@login_required
@never_cache
def webhooks(request: HttpRequest, slug: str) -> HttpResponse:
    """The project's webhooks. A new one's secret is in the answer, and nowhere else."""
    access = project_for(request.user, slug, Role.OWNER)
    form = WebhookForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            added = add_webhook(project=access.project, by=signed_in(request), **form.cleaned_data)
        except (Invalid, Conflict) as error:
            form.take_error(error)
        else:
            return _page(request, access, WebhookForm(), fresh=added)
    return _page(request, access, form, status=422 if form.errors else 200)


@require_GET
@login_required
def webhook(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """What was sent to one, newest first, with what came back."""
    access = project_for(request.user, slug, Role.OWNER)
    found = row_of(access.project.webhooks.all(), pk)
    page = paged(found.messages.order_by("-pk"), request)
    return project_page(request, access, "annotator/webhook.html", {"webhook": found, "page": page}, section="setup")


@require_POST
@login_required
@never_cache
def webhook_act(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """``act``: another secret, a test message, off or on again, or gone."""
    access = project_for(request.user, slug, Role.OWNER)
    found, by, act = row_of(access.project.webhooks.all(), pk), signed_in(request), request.POST.get("act", "")
    found.project = access.project
    if act == "renew":
        renew_secret(webhook=found, by=by)
        return _page(request, access, WebhookForm(), fresh=found)
    if act == "test":
        send_test(webhook=found)
        messages.success(request, _("A test message is on its way; its line says what came back."))
        return redirect("webhook", slug, pk)
    if act in ("disable", "enable"):
        change_webhook(webhook=found, by=by, enabled=act == "enable")
    elif act == "remove":
        remove_webhook(webhook=found, by=by)
        messages.success(request, _("It is told nothing more."))
    else:
        raise Invalid(_("“%(act)s” is nothing that can be done with a webhook.") % {"act": act[:40]})
    return redirect("webhooks", slug)


@require_POST
@login_required
def webhook_resend(request: HttpRequest, slug: str, pk: int, message: int) -> HttpResponse:
    """Send one message again, under the same id."""
    access = project_for(request.user, slug, Role.OWNER)
    found = row_of(access.project.webhooks.all(), pk)
    rows = WebhookMessage.objects.filter(webhook=found).select_related("webhook__project")
    try:
        send_again(message=row_of(rows, message), by=signed_in(request))
    except Conflict as error:
        messages.error(request, str(error))
    return redirect("webhook", slug, pk)


def _page(
    request: HttpRequest, access: Access, form: WebhookForm, *, fresh: Webhook | None = None, status: int = 200
) -> HttpResponse:
    context = {"form": form, "webhooks": access.project.webhooks.all(), "fresh": fresh}
    return project_page(request, access, "annotator/webhooks.html", context, section="setup", status=status)
