"""Addresses of the pages for a project's owners and viewers, and of the invitation that lets people in."""

from django.urls import URLPattern, path

from annotator.views import imports, invites, pairs, people, project, setup, tokens

urlpatterns: list[URLPattern] = [
    path("projects/new/", project.project_new, name="project_new"),
    path("projects/<slug:slug>/", project.project, name="project"),
    path("projects/<slug:slug>/data/", imports.data, name="data"),
    path("projects/<slug:slug>/pairs/", pairs.pairs, name="pairs"),
    path("projects/<slug:slug>/pairs/<int:pk>/", pairs.pair, name="pair"),
    path("projects/<slug:slug>/pairs/<int:pk>/withdraw/", pairs.pair_withdraw, name="pair_withdraw"),
    path("projects/<slug:slug>/setup/", setup.setup, name="setup"),
    path("projects/<slug:slug>/setup/archive/", setup.setup_archive, name="setup_archive"),
    path("projects/<slug:slug>/setup/delete/", setup.setup_delete, name="setup_delete"),
    path("projects/<slug:slug>/people/", people.people, name="people"),
    path("projects/<slug:slug>/people/invites/", people.invite_new, name="invite_new"),
    path("projects/<slug:slug>/people/invites/<int:pk>/withdraw/", people.invite_revoke, name="invite_revoke"),
    path("projects/<slug:slug>/people/members/<int:pk>/", people.member_role, name="member_role"),
    path("projects/<slug:slug>/people/members/<int:pk>/remove/", people.member_remove, name="member_remove"),
    path("projects/<slug:slug>/people/annotators/<int:pk>/", people.annotator_pause, name="annotator_pause"),
    path("projects/<slug:slug>/tokens/", tokens.tokens, name="tokens"),
    path("projects/<slug:slug>/tokens/<str:key>/replace/", tokens.token_rotate, name="token_rotate"),
    path("projects/<slug:slug>/tokens/<str:key>/revoke/", tokens.token_revoke, name="token_revoke"),
    path("join/<str:token>/", invites.join, name="join"),
]
