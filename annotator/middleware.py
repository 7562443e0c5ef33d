"""The one translator of this app's errors into pages, the language that pages are in, and what is left of a token's rate."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotator.errors import AnnotatorError
from annotator.models import User

TITLES = {
    403: gettext_lazy("You can’t do that here"),
    404: gettext_lazy("There is nothing here"),
    409: gettext_lazy("Something changed in the meantime"),
    422: gettext_lazy("That can’t be right"),
}


class Language:
    """The language that somebody has chosen for themselves; else the browser's, which Django's middleware has set."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if isinstance(user, User) and user.language:
            translation.activate(user.language)
        response = self.get_response(request)
        response.headers.setdefault("Content-Language", translation.get_language())
        return response


class ErrorPages:
    """Renders an ``AnnotatorError`` that a view did not handle as a page (or as a note, for htmx)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, AnnotatorError):
            return None
        context = {"title": TITLES.get(error.status, _("That did not work")), "error": error}
        template = "error_note.html" if request.headers.get("HX-Request") else "error.html"
        return render(request, template, context, status=error.status)


class RateHeaders:
    """``RateLimit-Limit``, ``-Remaining`` and ``-Reset`` (seconds) where ``api.throttling`` counted the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if (rate := getattr(request, "rate", None)) is not None:
            response["RateLimit-Limit"] = str(rate.limit)
            response["RateLimit-Remaining"] = str(rate.remaining)
            response["RateLimit-Reset"] = str(rate.reset)
        return response
