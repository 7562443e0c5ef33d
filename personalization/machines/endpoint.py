"""Asking a judge's endpoint, with patience where that helps and in plain words where it does not."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus

import orjson
from django.conf import settings
from django.utils.translation import gettext as _

from annotator.outbound import NotAllowed, Unanswered, ask
from attune.judging import Outcome, question, settled, verdict
from personalization.errors import MachineUnusable

SECONDS = 60.0
TRIES = 4
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
MOST_ANSWER = 1_000_000
REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

Pause = Callable[[float], None]


class Endpoint:
    """One judge. ``pause`` waits and may raise, so that a stop is heard meanwhile."""

    def __init__(self, url: str, model: str, key: str, instructions: str, pause: Pause = time.sleep) -> None:
        self.url = chat_address(url)
        self.model, self.instructions, self.pause = model, instructions, pause
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def compare(self, prompt: str, a: str, b: str) -> tuple[Outcome, bool]:
        """Which is better, asked in both orders, and whether the order swayed it.

        Raises ``attune.judging.Unreadable`` for a reply that says nothing, ``MachineUnusable`` where the endpoint does not answer.
        """
        forward = verdict(self._ask(question(self.model, prompt, a, b, self.instructions)))
        backward = verdict(self._ask(question(self.model, prompt, b, a, self.instructions)))
        return settled(forward, backward)

    def _ask(self, body: dict[str, object]) -> bytes:
        sent, why = orjson.dumps(body), ""
        for attempt in range(TRIES):
            if attempt:
                self.pause(min(LONGEST_PAUSE, FIRST_PAUSE * 4 ** (attempt - 1)))
            try:
                status, answer = ask(
                    self.url,
                    sent,
                    self.headers,
                    private=settings.JUDGES_PRIVATE,
                    seconds=SECONDS,
                    most=MOST_ANSWER,
                )
            except NotAllowed as error:
                raise MachineUnusable(_("The judge’s address may not be asked: %(why)s.") % {"why": error}) from error
            except Unanswered as error:
                why = _("it does not answer (%(why)s)") % {"why": error}
                continue
            if status == HTTPStatus.OK:
                return answer
            if status in REFUSALS:
                raise MachineUnusable(
                    _("The judge’s endpoint refuses the key (it answered %(status)s).") % {"status": int(status)}
                )
            why = _("it answered %(status)s") % {"status": int(status)}
            if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
                raise MachineUnusable(
                    _("The judge’s endpoint: %(why)s; check its address and the model’s name.") % {"why": why}
                )
        raise MachineUnusable(
            _("The judge’s endpoint: %(why)s, %(tries)d times in a row. Start it again once it is back.")
            % {"why": why, "tries": TRIES}
        )


def chat_address(url: str) -> str:
    """Where to ask: the address as it is, or with ``/chat/completions`` where it ends at the API's root."""
    return url if url.endswith("/chat/completions") else f"{url.rstrip('/')}/chat/completions"
