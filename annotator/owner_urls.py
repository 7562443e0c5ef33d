"""Addresses of the pages for a project's owners and viewers, and of the invitation that lets people in."""

from django.urls import URLPattern, path

from annotator.views import imports, invites, people, project, setup, tokens

urlpatterns: list[URLPattern] = [
    path("projects/new/", project.project_new, name="project_new"),
    path("projects/<slug:slug>/", project.project, name="project"),
    path("projects/<slug:slug>/data/", imports.data, name="data"),
    path("projects/<slug:slug>/setup/", setup.setup, name="setup"),
    path("projects/<slug:slug>/people/", people.people, name="people"),
    path("projects/<slug:slug>/tokens/", tokens.tokens, name="tokens"),
    path("join/<str:token>/", invites.join, name="join"),
]
