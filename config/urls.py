"""Addresses of everything. Each app owns its own; the top app's come last to see all of them."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("", include("annotator.urls")),
    path("", include("training.urls")),
    path("", include("personalization.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
]
