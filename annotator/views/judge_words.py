"""What the scripts of the judging page say, in the reader's language. ``{n}`` and the like are filled in there."""

from __future__ import annotations

from django.utils.translation import gettext as _


def judge_words() -> dict[str, str]:
    """Names, as the scripts know them, to sentences."""
    return {
        "choose": _("Choose 1–7 first, or “both good” or “both bad”"),
        "why": _("Please give a reason first: a tag, a mark in the text or a few words"),
        "why_least": _("Please say why in at least {least} characters; there are {n}"),
        "unread": _("You have not read {side} yet. Submit again if that is meant."),
        "next": _("Next pair. {today}"),
        "again": _("The pair before. {today}"),
        "saved": _("Saved"),
        "saving": _("Saving…"),
        "waiting": _("{n} waiting"),
        "offline": _("Offline · {n} waiting"),
        "fault": _("Server fault · {n} waiting"),
        "signed_out": _("Signed out · {n} waiting"),
        "offline_title": _("No connection"),
        "offline_text": _(
            "Your answers are kept on this device ({n}). They are sent when the connection is back, in their order, and the"
            " next pair comes then."
        ),
        "signed_out_text": _("You are signed out. What you entered is kept on this device; sign in again to send it."),
        "sign_in": _("Sign in"),
        "undo_offline": _("To undo, the connection must be back: the server may have this judgment already."),
        "refused": _("An answer was not counted"),
        "refused_kept": _("What you had entered is kept:"),
        "dismiss": _("Close"),
        "draft": _("What you had entered is back."),
        "pace": _("about {minutes} min left"),
        "break": _("You have been judging for {minutes} minutes. A short break keeps judgments fresh."),
        "flagged": _("Flagged"),
        "mark_good": _("Marked as good: {words}"),
        "mark_bad": _("Marked as bad: {words}"),
        "mark_removed": _("Mark removed"),
        "mark_edit": _("Edit the mark: {words}"),
        "mark_none": _("Select some text of a response first, with the pointer or with {key}"),
        "mark_tab": _("Tab: reason and comment"),
        "selecting": _("Selecting in {side}. Arrow keys move, Shift extends, {good} or {bad} marks, Escape ends."),
        "selected": _("Selected: {words}"),
        "differ": _("{a} words only in A, {b} only in B"),
        "differ_long": _("These are too long to compare word by word"),
    }
