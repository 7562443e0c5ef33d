#!/usr/bin/env bash
# Start one role of Attune: web, worker-default, worker-train, beat, scorer, migrate; anything else is run as it is.
set -euo pipefail
role=${1:-web}
[ $# -gt 0 ] && shift

case "$role" in
  web)
    exec python -m gunicorn config.wsgi:application --preload --no-control-socket --bind "0.0.0.0:${PORT:-8000}" \
      --worker-class config.web_worker.Worker --workers "${WEB_PROCESSES:-2}" --threads "${WEB_THREADS:-4}" \
      --worker-tmp-dir /dev/shm --timeout 60 --graceful-timeout 30 --max-requests 20000 --max-requests-jitter 2000 "$@"
    ;;
  worker-default)
    exec python -m celery --app config.celery:app worker --queues default --hostname default@%h \
      --pool prefork --concurrency "${WORKER_PROCESSES:-2}" --loglevel INFO --without-gossip --without-mingle "$@"
    ;;
  worker-train)
    exec python -m celery --app config.celery:app worker --queues train --hostname train@%h \
      --pool prefork --concurrency 1 --max-tasks-per-child 1 --loglevel INFO --without-gossip --without-mingle "$@"
    ;;
  beat)
    exec python -m celery --app config.celery:app beat --scheduler celery.beat:Scheduler --pidfile= --loglevel INFO "$@"
    ;;
  scorer)
    exec python -m uvicorn personalization.scorer.app:app --host 0.0.0.0 --port "${PORT:-8001}" --no-access-log "$@"
    ;;
  migrate)
    python manage.py check --deploy --fail-level ERROR
    python manage.py migrate --no-input "$@"
    exec attune erase --reapply
    ;;
  *)
    exec "$role" "$@"
    ;;
esac
