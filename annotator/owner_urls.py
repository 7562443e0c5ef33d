"""Addresses of the pages for a project's owners and viewers, and of the invitation that lets people in."""

from django.urls import URLPattern, path

from annotator.views import adjudication, exports, imports, invites, pairs, people, project, quality, setup, tokens

urlpatterns: list[URLPattern] = [
    path("projects/new/", project.project_new, name="project_new"),
    path("projects/<slug:slug>/", project.project, name="project"),
    path("projects/<slug:slug>/data/", imports.data, name="data"),
    path("projects/<slug:slug>/data/export/", exports.export, name="export"),
    path("projects/<slug:slug>/data/imports/<int:pk>/", imports.import_page, name="import"),
    path("projects/<slug:slug>/data/imports/<int:pk>/confirm/", imports.import_confirm, name="import_confirm"),
    path("projects/<slug:slug>/data/imports/<int:pk>/cancel/", imports.import_cancel, name="import_cancel"),
    path("projects/<slug:slug>/data/imports/<int:pk>/rejected/", imports.import_rejected, name="import_rejected"),
    path("projects/<slug:slug>/pairs/", pairs.pairs, name="pairs"),
    path("projects/<slug:slug>/pairs/<int:pk>/", pairs.pair, name="pair"),
    path("projects/<slug:slug>/pairs/<int:pk>/withdraw/", pairs.pair_withdraw, name="pair_withdraw"),
    path("projects/<slug:slug>/pairs/<int:pk>/gold/", pairs.pair_gold, name="pair_gold"),
    path("projects/<slug:slug>/pairs/<int:pk>/pins/", pairs.pair_pin, name="pair_pin"),
    path("projects/<slug:slug>/pairs/<int:pk>/pins/<int:assignment>/", pairs.pair_unpin, name="pair_unpin"),
    path("projects/<slug:slug>/quality/", quality.quality, name="quality"),
    path("projects/<slug:slug>/quality/now/", quality.quality_now, name="quality_now"),
    path("projects/<slug:slug>/quality/people/<int:pk>/", quality.annotator_quality, name="annotator_quality"),
    path("projects/<slug:slug>/quality/people/<int:pk>/quotas/", quality.annotator_quotas, name="annotator_quotas"),
    path("projects/<slug:slug>/quality/people/<int:pk>/standing/", quality.annotator_stand, name="annotator_stand"),
    path("projects/<slug:slug>/contested/", adjudication.contested, name="contested"),
    path("projects/<slug:slug>/pairs/<int:pk>/decide/", adjudication.pair_decide, name="pair_decide"),
    path("projects/<slug:slug>/pairs/<int:pk>/ask/", adjudication.pair_ask, name="pair_ask"),
    path("projects/<slug:slug>/pairs/<int:pk>/seen/", pairs.pair_seen, name="pair_seen"),
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
