"""Addresses of the API's files."""

from django.urls import URLPattern, path

from annotator.api.datasets import DatasetView
from annotator.api.exports import ExportView

urlpatterns: list[URLPattern] = [
    path("projects/<slug:slug>/export", ExportView.as_view(), name="api_export"),
    path("projects/<slug:slug>/dataset", DatasetView.as_view(), name="api_dataset"),
]
