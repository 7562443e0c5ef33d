import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models

TELL = """
CREATE FUNCTION attune_tell_judgment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotator_webhookmessage (key, webhook_id, event, data, created_at, attempts, next_at, last_error)
    SELECT gen_random_uuid(), w.id, 'judgment.created',
           jsonb_build_object('id', NEW.id, 'annotator', (SELECT ref FROM annotator_annotator WHERE id = NEW.annotator_id),
               'pair', NEW.pair_id, 'choice', NEW.choice, 'strength', NEW.strength, 'swapped', NEW.swapped,
               'repeat', NEW.occasion > 0, 'revision', NEW.revision, 'withdrawn', NEW.withdrawn, 'source', NEW.source),
           now(), 0, now(), ''
      FROM annotator_webhook w
     WHERE w.project_id = NEW.project_id AND w.disabled_at IS NULL AND w.events ? 'judgment.created';
    RETURN NULL;
END $$;
CREATE TRIGGER attune_tell_judgment AFTER INSERT ON annotator_judgment
    FOR EACH ROW WHEN (NEW.source IN ('page', 'api')) EXECUTE FUNCTION attune_tell_judgment();
"""
SILENCE = """
DROP TRIGGER attune_tell_judgment ON annotator_judgment;
DROP FUNCTION attune_tell_judgment();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotator", "0009_gold_both_good"),
    ]

    operations = [
        migrations.AddField(
            model_name="apitoken",
            name="rate_limit",
            field=models.PositiveIntegerField(
                blank=True, help_text="Requests a minute; empty: the installation's.", null=True
            ),
        ),
        migrations.CreateModel(
            name="Webhook",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("url", models.CharField(max_length=500)),
                ("secret", models.CharField(max_length=100)),
                ("events", models.JSONField(default=list)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("disabled_at", models.DateTimeField(blank=True, null=True)),
                ("disabled_why", models.CharField(blank=True, max_length=200)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="webhooks", to="annotator.project"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="WebhookMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("event", models.CharField(max_length=40)),
                ("data", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("attempts", models.PositiveSmallIntegerField(default=0)),
                ("next_at", models.DateTimeField(default=django.utils.timezone.now, null=True)),
                ("delivered_at", models.DateTimeField(null=True)),
                ("last_status", models.PositiveSmallIntegerField(null=True)),
                ("last_error", models.CharField(blank=True, max_length=300)),
                (
                    "webhook",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="messages", to="annotator.webhook"
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_at__isnull", False)), fields=["next_at"], name="webhook_message_due"
                    )
                ],
            },
        ),
        migrations.RunSQL(TELL, SILENCE),
    ]
