"""Addresses of the annotator app's pages."""

from django.urls import URLPattern, URLResolver, include, path

from annotator.views import home, judge

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("account/", home.account, name="account"),
    path("account/theme/", home.theme, name="theme"),
    path("projects/<slug:slug>/judge/", judge.judge, name="judge"),
    path("projects/<slug:slug>/judge/undo/", judge.undo, name="judge_undo"),
    path("", include("annotator.owner_urls")),
    path("api/v1/", include("annotator.api.urls")),
]
