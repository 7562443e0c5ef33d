"""Addresses of everything. Each app owns its own."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView

from config import health

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("", include("annotator.urls")),
    path("", include("training.urls")),
    path("", include("personalization.urls")),
    path("api/schema/", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]), name="schema"),
    path(
        "api/docs/",
        SpectacularRedocView.as_view(url_name="schema", authentication_classes=[], permission_classes=[]),
        name="api_docs",
    ),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
]
