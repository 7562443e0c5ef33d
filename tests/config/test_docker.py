"""The image's build steps and roles, run as the Dockerfile runs them, in a clean folder and without a Docker engine."""

from __future__ import annotations

import os
import re
import shutil
import site
import subprocess
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from config.local.folders import CHECKOUT
from config.local.ports import free_port, serves_http
from config.local.testserver import test_database_url as database_url
from tests.config.conftest import wait_until

DOCKER = CHECKOUT / "docker"
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings.production",
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "ALLOWED_HOSTS": "attune.example",
    "BROKER_URL": "redis://127.0.0.1:9/0",
}


class Image:
    """A checkout of the tracked files with an environment of its own, as the build leaves them."""

    def __init__(self, app: Path, environment: Path) -> None:
        self.app = app
        self.env = {
            "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",
            "ATTUNE_HOME": str(app.parent / "data"),
            "DATABASE_URL": database_url(),
            **ENVIRONMENT,
        }

    def run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, cwd=self.app, env={**self.env, **env}, capture_output=True, text=True, timeout=100, check=False
        )


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """Tracked files only; the pinned dependencies are those of this environment, for installing them takes minutes."""
    root = tmp_path_factory.mktemp("image")
    app, environment = root / "app", root / "venv"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        if (CHECKOUT / name).exists():
            (app / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, app / name)
    venv.create(environment, symlinks=True, with_pip=False)
    [packages] = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()))
    built = Image(app, environment)
    done = built.run("docker/build.sh", "application", str(environment))
    assert done.returncode == 0, done.stdout + done.stderr
    return built


@pytest.fixture
def web(image: Image) -> Iterator[int]:
    """The web role, answering on a port."""
    port = free_port()
    with subprocess.Popen(
        ["docker/entrypoint.sh", "web"],
        cwd=image.app,
        env={**image.env, "PORT": str(port), "WEB_PROCESSES": "1"},
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait_until(lambda: serves_http(port), seconds=60)
            yield port
        finally:
            process.terminate()


def test_the_build_collects_static_files_under_names_with_digests(image: Image) -> None:
    assert (image.app / "staticfiles" / "staticfiles.json").exists()
    assert list((image.app / "staticfiles").glob("**/*.????????????.css"))


def test_an_unknown_step_is_refused(image: Image) -> None:
    done = image.run("docker/build.sh", "everything", "venv")
    assert done.returncode == 2
    assert "unknown step 'everything'; expected dependencies or application" in done.stderr


def test_the_settings_pass_djangos_deployment_checks(image: Image) -> None:
    done = image.run("python", "manage.py", "check", "--deploy", "--fail-level", "ERROR")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "unsafe"), [("SECRET_KEY", "short"), ("ALLOWED_HOSTS", "*"), ("ALLOWED_HOSTS", ""), ("DEBUG", "true")]
)
def test_no_role_starts_on_an_unsafe_value(image: Image, name: str, unsafe: str) -> None:
    done = image.run("docker/entrypoint.sh", "migrate", **{name: unsafe})
    assert done.returncode != 0
    assert name in done.stderr


def test_the_web_role_serves_its_host_over_tls_only(web: int, image: Image) -> None:
    address = f"http://127.0.0.1:{web}"
    assert image.run("python", "docker/healthcheck.py", f"{address}/readyz").returncode == 0
    request = urllib.request.Request(f"{address}/accounts/login/", headers={"Host": "attune.example"})
    opener = urllib.request.build_opener(NoRedirect)
    with pytest.raises(urllib.error.HTTPError) as redirected:
        opener.open(request, timeout=10)
    with redirected.value as answer:
        assert (answer.code, answer.headers["Location"]) == (301, "https://attune.example/accounts/login/")
    request.add_header("X-Forwarded-Proto", "https")
    with opener.open(request, timeout=10) as page:
        assert page.status == 200
        assert "max-age=" in page.headers["Strict-Transport-Security"]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


def test_compose_has_every_role_and_no_default_for_a_secret() -> None:
    text = (DOCKER / "compose.yaml").read_text()
    services = yaml.safe_load(text)["services"]
    roles = {"web", "worker-default", "worker-train", "beat", "scorer", "migrate"}
    assert set(services) == roles | {"proxy", "postgres", "valkey"}
    entrypoint = (DOCKER / "entrypoint.sh").read_text()
    for role in roles:
        assert services[role]["command"] == [role]
        assert re.search(rf"^  {role}\)$", entrypoint, re.MULTILINE)
    for name, rest in re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", text):
        assert rest.startswith(":?") or name == "EMAIL_URL", f"{name} has a default"
    assert {name for name, service in services.items() if "ports" in service} == {"proxy"}


def test_the_dockerfile_runs_the_steps_that_are_tested_here() -> None:
    dockerfile = (DOCKER / "Dockerfile").read_text()
    assert re.findall(r"^RUN (docker/build\.sh .*)$", dockerfile, re.MULTILINE) == [
        "docker/build.sh dependencies /venv",
        "docker/build.sh application /venv",
    ]
    assert "USER attune" in dockerfile
