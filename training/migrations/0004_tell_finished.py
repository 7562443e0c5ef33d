"""The end of a run, whoever writes it, goes into the webhooks' outbox in the same transaction."""

from django.db import migrations

TELL = """
CREATE FUNCTION attune_tell_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotator_webhookmessage (key, webhook_id, event, data, created_at, attempts, next_at, last_error)
    SELECT gen_random_uuid(), w.id, 'run.finished',
           jsonb_build_object('run', NEW.number, 'state', NEW.state, 'model', NEW.model_name, 'error', NEW.error,
               'version', (SELECT model_name || '@' || number FROM training_modelversion WHERE run_id = NEW.id)),
           now(), 0, now(), ''
      FROM annotator_webhook w
     WHERE w.project_id = NEW.project_id AND w.disabled_at IS NULL AND w.events ? 'run.finished';
    RETURN NULL;
END $$;
CREATE TRIGGER attune_tell_run AFTER UPDATE OF state ON training_run
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state AND NEW.state IN ('done', 'failed', 'cancelled'))
    EXECUTE FUNCTION attune_tell_run();
"""
SILENCE = """
DROP TRIGGER attune_tell_run ON training_run;
DROP FUNCTION attune_tell_run();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("annotator", "0010_webhooks"),
        ("training", "0003_dissection_and_doubts"),
    ]
    operations = [migrations.RunSQL(TELL, SILENCE)]
