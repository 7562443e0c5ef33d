"""What the web server runs."""

import gc
import os

# A request's matrices are small, and threads of BLAS would wait for each other; read when numpy is first imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from importlib import import_module

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from config.celery import app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
app.set_default()  # so that what a page sends goes to our broker
application = get_wsgi_application()
import_module(settings.ROOT_URLCONF)  # before the workers fork: none has to, and no first visitor waits for it

# What is loaded by now stays: the collector need not walk it again and again, nor the pages shared by the workers be
# copied for its marks. It saves about a fifteenth of a request. Whatever was in the air in a thread while another collected grows old
# and goes with a full collection only: with one in 50 instead of 10 a process grew by 200 bytes a request for 80,000 requests.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 10)
