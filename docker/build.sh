#!/usr/bin/env bash
# The build steps of the image, as a script so that a test can run the same commands without a Docker engine.
#   docker/build.sh dependencies FOLDER   make the environment FOLDER and install what pyproject.toml asks for, pinned
#   docker/build.sh application FOLDER    install Attune itself into it and collect the static files
# Runs in the root of a checkout; the first step needs only pyproject.toml and constraints.txt, so its layer is kept.
set -euo pipefail
step=$1
venv=$2

case "$step" in
  dependencies)
    python3 -m venv "$venv"
    "$venv/bin/python" -c '
import pathlib, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
print("\n".join([*project["dependencies"], *project["optional-dependencies"]["s3"]]))
' > "$venv/requirements.txt"
    "$venv/bin/python" -m pip install --no-input --no-cache-dir --disable-pip-version-check \
      --constraint constraints.txt --requirement "$venv/requirements.txt" 'setuptools>=77'
    ;;
  application)
    # In place, for templates and static files are read from the checkout.
    "$venv/bin/python" -m pip install --no-input --disable-pip-version-check --quiet \
      --no-deps --no-build-isolation --editable .
    DJANGO_SETTINGS_MODULE=config.settings.types "$venv/bin/python" manage.py collectstatic --no-input --verbosity 0
    "$venv/bin/python" -m compileall -q annotator attune config personalization training
    ;;
  *)
    echo "unknown step '$step'; expected dependencies or application" >&2
    exit 2
    ;;
esac
