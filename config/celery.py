"""The Celery application: two queues, ``default`` for short work and ``train`` for fits."""

import os

from celery import Celery
from kombu import Exchange, Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")

app = Celery("attune")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.task_queues = [
    Queue("default", Exchange("default"), routing_key="default"),
    Queue("train", Exchange("train"), routing_key="train"),
]
app.autodiscover_tasks()
