"""Addresses of the annotator app's pages."""

from django.urls import URLPattern, URLResolver, include, path

from annotator.views import history, home, importance, judge, pictures

urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("account/", home.account, name="account"),
    path("account/theme/", home.theme, name="theme"),
    path("account/reading/", home.reading, name="reading"),
    path("account/keys/", home.keys, name="keys"),
    path("projects/<slug:slug>/judge/", judge.judge, name="judge"),
    path("projects/<slug:slug>/judge/undo/", judge.undo, name="judge_undo"),
    path("projects/<slug:slug>/judge/ahead/", judge.ahead, name="judge_ahead"),
    path("projects/<slug:slug>/judge/draft/", judge.draft, name="judge_draft"),
    path("projects/<slug:slug>/pictures/<str:name>", pictures.picture, name="picture"),
    path("projects/<slug:slug>/importance/", importance.importance, name="importance"),
    path("projects/<slug:slug>/history/", history.history, name="history"),
    path("projects/<slug:slug>/history/<int:pk>/", history.revise_page, name="history_revise"),
    path("projects/<slug:slug>/history/<int:pk>/withdraw/", history.withdraw_one, name="history_withdraw"),
    path("", include("annotator.owner_urls")),
    path("api/v1/", include("annotator.api.urls")),
]
