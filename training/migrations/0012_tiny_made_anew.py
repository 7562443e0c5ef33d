from django.db import migrations
from django.db.models import Q

TINY = "tiny"
ENCODED = (
    Q(encoder=TINY)
    | Q(encoder__startswith=f"{TINY}+")
    | Q(encoder__endswith=f"+{TINY}")
    | Q(encoder__contains=f"+{TINY}+")
)


def withdraw(apps, _editor):
    """The tiny language model has other weights now: what was learnt on the states of the former, or is an adapter of it, would answer
    nonsense. Vectors are a cache and come again; models and policies are to be trained anew."""
    apps.get_model("training", "TextVector").objects.filter(ENCODED).delete()
    apps.get_model("training", "ModelVersion").objects.filter(ENCODED).exclude(state="retired").update(state="retired")
    apps.get_model("training", "PolicyVersion").objects.filter(base=TINY, retired=False).update(retired=True)


class Migration(migrations.Migration):
    dependencies = [("training", "0011_readers_of_trials")]

    operations = [migrations.RunPython(withdraw, migrations.RunPython.noop)]
