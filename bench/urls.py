"""The site's addresses, and the baseline: a bare Django view with a login and one query."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from annotator.models import Membership


@login_required
def plain(request: HttpRequest) -> HttpResponse:
    """Session, user, one query, a short text."""
    return HttpResponse(f"{Membership.objects.filter(user_id=request.user.pk).count()} projects")


urlpatterns = [path("bench/plain/", plain), path("", include("config.urls"))]
