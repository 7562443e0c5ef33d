"""What a token may be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import NotAuthenticated, ParseError
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from annotator.errors import Forbidden
from annotator.models import ApiToken, User

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports the default permissions, which are ours


def caller(request: Request) -> User:
    """Whose token it is."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


class HasScope(BasePermission):
    """The token has the view's ``required_scope``; where it names none, ``read`` to look and, for the rest, the view's
    ``write_scope`` or ``write``; its ``delete_scope`` to delete, if it has one."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not isinstance(request.auth, ApiToken):
            return False  # leads to 401
        writing = getattr(view, "write_scope", ApiToken.Scope.WRITE)
        if request.method == "DELETE":
            writing = getattr(view, "delete_scope", writing)
        usual = ApiToken.Scope.READ if request.method in SAFE_METHODS else writing
        required = getattr(view, "required_scope", usual)
        if required not in request.auth.scopes:
            raise Forbidden(
                f"This needs a token with the scope “{required}”; yours has {', '.join(request.auth.scopes)}."
            )
        return True


PAGE = ("cursor", "limit")


class KnownParameters(BasePermission):
    """No parameter but those that the view names in ``parameters`` and, where it lists something, in ``filters``, with a
    page's. ``parameters = None`` lets any pass."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        named = getattr(view, "parameters", ())
        if named is None:
            return True
        filters = getattr(view, "filters", None) if request.method in SAFE_METHODS else None
        known = {*named, *(() if filters is None else (*filters, *PAGE))}
        if unknown := sorted(set(request.query_params) - known):
            expected = f"known are {', '.join(sorted(known))}" if known else "none is known here"
            raise ParseError(f"There is no parameter “{unknown[0][:80]}”; {expected}.")
        return True
