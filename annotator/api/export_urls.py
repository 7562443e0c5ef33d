"""Addresses of the API's files."""

from django.urls import URLPattern, path

from annotator.api.exports import ExportView

urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/export", ExportView.as_view(), name="api_export"),
]
