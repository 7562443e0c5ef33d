from django.db import migrations

TELL = """
CREATE OR REPLACE FUNCTION attune_tell_judgment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotator_webhookmessage (key, webhook_id, event, data, created_at, attempts, next_at, last_error)
    SELECT gen_random_uuid(), w.id, 'judgment.created',
           jsonb_build_object('id', NEW.id, 'annotator', (SELECT ref FROM annotator_annotator WHERE id = NEW.annotator_id),
               'pair', NEW.pair_id, 'choice', NEW.choice, 'strength', NEW.strength, 'swapped', NEW.swapped,
               'repeat', {repeat}, 'revision', NEW.revision, 'withdrawn', NEW.withdrawn, 'source', NEW.source),
           now(), 0, now(), ''
      FROM annotator_webhook w
     WHERE w.project_id = NEW.project_id AND w.disabled_at IS NULL AND w.events ? 'judgment.created';
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    """A second look with hindsight is no hidden repeat."""

    dependencies = [
        ("annotator", "0014_content"),
    ]

    operations = [
        migrations.RunSQL(
            TELL.replace("{repeat}", "NEW.occasion = 1, 'hindsight', NEW.occasion = 2"),
            TELL.replace("{repeat}", "NEW.occasion > 0"),
        ),
    ]
