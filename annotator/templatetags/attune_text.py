"""Filters for text and figures."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from annotator.languages import language_of
from annotator.markdown import render_markdown
from annotator.models import Response
from annotator.views.content import Content
from annotator.views.lineup_words import order_words

register = template.Library()


@register.filter
def markdown(text: str) -> SafeString:
    """Safe HTML of a prompt's or response's Markdown."""
    return render_markdown(text)


@register.filter
def language(text: str) -> str:
    """The tag for ``lang`` of a text that people wrote; empty where nobody knows."""
    return language_of(text)


@register.filter
def speaker(role: str) -> str:
    """Who says a turn of a conversation."""
    return {"user": _("User"), "assistant": _("Assistant"), "system": _("System")}.get(role, role.capitalize())


@register.simple_tag
def content_of(response: Response, slug: str) -> Content:
    """What a stored response says, for ``annotator/_content.html``; reads its picture."""
    return Content.of_row(slug, response)


@register.filter
def percent(share: float | None, digits: int = 0) -> str:
    """0.714 as ``71 %``; an em dash where there is nothing to say."""
    return "—" if share is None else f"{100 * share:.{digits}f} %"


@register.filter
def lookup(mapping: dict[object, object], key: object) -> object:
    """A value by a key that is a variable."""
    return mapping.get(key, "")


@register.filter
def order(ranking: list[list[int]]) -> str:
    """``2 › 1 = 3``."""
    return order_words(ranking)
