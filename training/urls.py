"""Addresses of the training app's pages."""

from django.urls import URLPattern, URLResolver, path

from training.views import listing

urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/models/", listing.models, name="models"),
]
