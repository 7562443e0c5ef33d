"""What the scripts of the judging page say, in the reader's language. ``{n}`` and the like are filled in there."""

from __future__ import annotations

from django.utils.translation import gettext as _


def judge_words() -> dict[str, str]:
    """Names, as the scripts know them, to sentences."""
    return {
        "choose": _("Choose 1–7 first, or “both good” or “both bad”"),
        "choose_order": _("Give every response a place first; equal ones may share it"),
        "choose_rating": _("Choose a place on the scale first, or “not on this scale”"),
        "critique_least": _("The critique needs at least {least} characters; there are {n}"),
        "rank_none": _("nothing placed yet"),
        "rank_best": _("best"),
        "rank_last": _("last"),
        "rank_is_tied": _("tied"),
        "rank_picked": _("{side} picked up, place {place}. Arrow keys move it."),
        "rank_placed": _("{side}: place {place} of {of}"),
        "rank_tied": _("{side}: place {place} of {of}, tied with {others}"),
        "rank_out": _("{side} is not placed any more"),
        "rank_back": _("{side} is back: place {place}"),
        "why": _("Please give a reason first: a tag, a mark in the text or a few words"),
        "why_least": _("Please say why in at least {least} characters; there are {n}"),
        "unread": _("You have not read {side} yet. Submit again if that is meant."),
        "next_pair": _("Next pair. {today}"),
        "next_ranking": _("Next: put responses in order. {today}"),
        "next_rating": _("Next: rate a response. {today}"),
        "next_hindsight": _("A second look, with what came of following each response. {today}"),
        "again": _("The one before. {today}"),
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
        "signed_out_title": _("You are signed out"),
        "signed_out_waiting": _(
            "Your answers are kept on this device ({n}). They are sent when you have signed in again, in their order, and"
            " the next one comes then."
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
        "question": _("There is a question beside the pairs, before the prompt."),
        "question_kept": _("Kept. Your model follows at once."),
        "question_offline": _("No connection: your answer is not kept yet. Try again."),
        "mark_good": _("Marked as good: {words}"),
        "mark_bad": _("Marked as bad: {words}"),
        "mark_removed": _("Mark removed"),
        "mark_edit": _("Edit the mark: {words}"),
        "mark_none": _("Select some text of a response first, with the pointer or with {key}"),
        "mark_tab": _("Tab: reason and comment"),
        "selecting": _("Selecting in {side}. Arrow keys move, Shift extends, {good} or {bad} marks, Escape ends."),
        "the_response": _("the response"),
        "selected": _("Selected: {words}"),
        "differ": _("{a} words only in A, {b} only in B"),
        "differ_long": _("These are too long to compare word by word"),
    }
