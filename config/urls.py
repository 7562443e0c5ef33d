"""Addresses of everything. Each app owns its own."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from config import health, reference

urlpatterns = [
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("api/v1/", include("personalization.api.reward_urls")),
    path("", include("annotator.urls")),
    path("", include("training.urls")),
    path("", include("personalization.urls")),
    path("api/schema/", SpectacularAPIView.as_view(authentication_classes=[], permission_classes=[]), name="schema"),
    path("api/docs/", reference.api_reference, name="api_docs"),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
]
