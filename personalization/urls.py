"""Addresses of the personalization app: two kinds of pages, and the API of rewards and latents."""

from django.urls import URLPattern, URLResolver, include, path

from personalization.api.annotators import AnnotatorsView, AnnotatorView
from personalization.api.classifier import ClassifierView
from personalization.api.erasures import ErasuresView, ErasureView, LineageView, RetrainView
from personalization.api.logins import LoginView
from personalization.api.machines import (
    MachineCancelView,
    MachineJudgeView,
    MachineJudgmentsView,
    MachineReportView,
    MachinesView,
    MachineView,
)
from personalization.api.rounds import (
    RoundCancelView,
    RoundNextView,
    RoundPairsView,
    RoundPutView,
    RoundsView,
    RoundView,
)
from personalization.views import (
    erasing,
    logins,
    machines,
    playground,
    policy_playground,
    profile,
    questions,
    rounds,
    taking_away,
)

POLICY_PLAYGROUND = "projects/<slug:slug>/policies/playground/"
ROUNDS = "projects/<slug:slug>/policies/rounds/"
API_ROUNDS = f"api/v1/{ROUNDS}".removesuffix("/")
MACHINES = "projects/<slug:slug>/machines/"
API_MACHINES = f"api/v1/{MACHINES}".removesuffix("/")

urlpatterns: list[URLPattern | URLResolver] = [
    path("projects/<slug:slug>/me/", profile.me, name="me"),
    path("projects/<slug:slug>/me/traits/", profile.my_traits, name="my_traits"),
    path("projects/<slug:slug>/me/question/", questions.my_question, name="my_question"),
    path("projects/<slug:slug>/me/erase/", erasing.my_erasure, name="my_erasure"),
    path("projects/<slug:slug>/people/annotators/<int:pk>/erase/", erasing.annotator_erasure, name="annotator_erasure"),
    path("account/delete/", logins.my_login, name="account_delete"),
    path("projects/<slug:slug>/people/members/<int:pk>/delete-login/", logins.login_delete, name="login_delete"),
    path("projects/<slug:slug>/erasures/", erasing.erasures, name="erasures"),
    path("projects/<slug:slug>/models/<int:number>/retrain/", erasing.version_retrain, name="version_retrain"),
    path("projects/<slug:slug>/policies/<int:number>/retrain/", erasing.policy_retrain, name="policy_retrain"),
    path("erasures/<uuid:key>/", erasing.erasure, name="erasure"),
    path("projects/<slug:slug>/me/data.zip", profile.my_data, name="my_data"),
    path(
        "projects/<slug:slug>/me/judgments/<int:pk>/withdraw/",
        profile.my_judgment,
        {"act": "withdraw"},
        name="judgment_withdraw",
    ),
    path(
        "projects/<slug:slug>/me/judgments/<int:pk>/restore/",
        profile.my_judgment,
        {"act": "restore"},
        name="judgment_restore",
    ),
    path("projects/<slug:slug>/annotators/<path:ref>/", profile.annotator_profile, name="annotator_profile"),
    path("projects/<slug:slug>/playground/", playground.playground, name="playground"),
    path("projects/<slug:slug>/models/<int:number>/take-away/", taking_away.model_take, name="model_take"),
    path("projects/<slug:slug>/models/<int:number>/take-away/file/", taking_away.model_file, name="model_file"),
    path("api/v1/projects/<slug:slug>/classifier", ClassifierView.as_view(), name="api_classifier"),
    path(POLICY_PLAYGROUND, policy_playground.policy_playground, name="policy_playground"),
    path(POLICY_PLAYGROUND + "<int:pk>/", policy_playground.policy_trial, name="policy_trial"),
    path(POLICY_PLAYGROUND + "<int:pk>/live/", policy_playground.policy_trial_live, name="policy_trial_live"),
    path(POLICY_PLAYGROUND + "<int:pk>/steer/", policy_playground.policy_trial_steer, name="policy_trial_steer"),
    path(POLICY_PLAYGROUND + "<int:pk>/stop/", policy_playground.policy_trial_stop, name="policy_trial_stop"),
    path(ROUNDS, rounds.rounds, name="policy_rounds"),
    path(ROUNDS + "<int:number>/", rounds.policy_round, name="policy_round"),
    path(ROUNDS + "<int:number>/live/", rounds.policy_round_live, name="policy_round_live"),
    path(ROUNDS + "<int:number>/stop/", rounds.policy_round_stop, name="policy_round_stop"),
    path(ROUNDS + "<int:number>/put/", rounds.policy_round_put, name="policy_round_put"),
    path(ROUNDS + "<int:number>/next/", rounds.policy_round_next, name="policy_round_next"),
    path(API_ROUNDS, RoundsView.as_view(), name="api_policy_rounds"),
    path(API_ROUNDS + "/<int:number>", RoundView.as_view(), name="api_policy_round"),
    path(API_ROUNDS + "/<int:number>/pairs", RoundPairsView.as_view(), name="api_policy_round_pairs"),
    path(API_ROUNDS + "/<int:number>/cancel", RoundCancelView.as_view(), name="api_policy_round_cancel"),
    path(API_ROUNDS + "/<int:number>/put", RoundPutView.as_view(), name="api_policy_round_put"),
    path(API_ROUNDS + "/<int:number>/next", RoundNextView.as_view(), name="api_policy_round_next"),
    path(MACHINES, machines.machines, name="machines"),
    path(MACHINES + "<int:number>/", machines.machine, name="machine"),
    path(MACHINES + "<int:number>/live/", machines.machine_live, name="machine_live"),
    path(MACHINES + "<int:number>/act/", machines.machine_act, name="machine_act"),
    path(API_MACHINES, MachinesView.as_view(), name="api_machines"),
    path(API_MACHINES + "/<int:number>", MachineView.as_view(), name="api_machine"),
    path(API_MACHINES + "/<int:number>/judge", MachineJudgeView.as_view(), name="api_machine_judge"),
    path(API_MACHINES + "/<int:number>/cancel", MachineCancelView.as_view(), name="api_machine_cancel"),
    path(API_MACHINES + "/<int:number>/judgments", MachineJudgmentsView.as_view(), name="api_machine_judgments"),
    path(API_MACHINES + "/<int:number>/report", MachineReportView.as_view(), name="api_machine_report"),
    path("api/v1/projects/<slug:slug>/annotators", AnnotatorsView.as_view(), name="api_annotators"),
    path("api/v1/projects/<slug:slug>/annotators/<path:ref>", AnnotatorView.as_view(), name="api_annotator"),
    path("api/v1/logins/<str:email>", LoginView.as_view(), name="api_login"),
    path("api/v1/projects/<slug:slug>/lineage", LineageView.as_view(), name="api_lineage"),
    path("api/v1/projects/<slug:slug>/erasures", ErasuresView.as_view(), name="api_erasures"),
    path("api/v1/projects/<slug:slug>/erasures/<uuid:key>", ErasureView.as_view(), name="api_erasure"),
    path("api/v1/projects/<slug:slug>/models/<str:version>/retrain", RetrainView.as_view(), name="api_retrain"),
    path("", include("personalization.api.compat.urls")),
]
