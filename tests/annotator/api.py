"""A program with a token."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from django.test import Client

from annotator.models import Project, User
from annotator.services.tokens import issue_token

EVERY = ("score", "read", "write", "manage")


class Program(Client):
    """``send`` takes a path below /api/v1/, or below the project's where it begins with a slash."""

    def __init__(self, user: User, project: Project, /, *scopes: str, **token: Any) -> None:
        self.token, plain = issue_token(user=user, name="test", scopes=scopes or EVERY, **token)
        super().__init__(headers={"Authorization": f"Bearer {plain}"})
        self.slug = project.slug

    def send(self, method: str, path: str, body: Any = None, *, key: str = "", **headers: str) -> Any:
        where = f"/api/v1/projects/{self.slug}{path}" if path.startswith("/") or not path else f"/api/v1/{path}"
        data = body if isinstance(body, bytes) else "" if body is None else json.dumps(body)
        sent = {
            "Idempotency-Key": key or str(uuid4()),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return self.generic(method, where, data, content_type="application/json", headers=sent)

    def ok(self, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any) -> Any:
        answer = self.send(method, path, body, **more)
        assert answer.status_code == status, (answer.status_code, answer.content)
        return answer.json() if answer.content else None


def refused(answer: Any, status: int, *fields: str) -> dict[str, Any]:
    body = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), body
    assert set(body.get("fields", {})) == set(fields), body
    return body
