"""Addresses of the personalization app: two kinds of pages, and the API of rewards and latents."""

from django.urls import URLPattern, URLResolver, path

from personalization.views import playground, profile

urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/me/", profile.me, name="me"),
    path("projects/<slug:slug>/playground/", playground.playground, name="playground"),
]
