from django.db import migrations

TELL = """
CREATE OR REPLACE FUNCTION attune_tell_judgment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO annotator_webhookmessage (key, webhook_id, event, data, created_at, attempts, next_at, last_error)
    SELECT gen_random_uuid(), w.id, 'judgment.created',
           jsonb_build_object('id', NEW.id, 'annotator', (SELECT ref FROM annotator_annotator WHERE id = NEW.annotator_id),
               'pair', NEW.pair_id, 'choice', NEW.choice, 'strength', NEW.strength, 'swapped', NEW.swapped,
               'repeat', NEW.occasion = 1, 'hindsight', NEW.occasion = 2, 'revision', NEW.revision,
               'withdrawn', NEW.withdrawn, 'source', NEW.source){more},
           now(), 0, now(), ''
      FROM annotator_webhook w
     WHERE w.project_id = NEW.project_id AND w.disabled_at IS NULL AND w.events ? 'judgment.created';
    RETURN NULL;
END $$;
"""
OF_LINEUPS = """
           || CASE WHEN NEW.lineup_id IS NULL THEN '{}'::jsonb ELSE jsonb_build_object('kind', NEW.kind, 'lineup', NEW.lineup_id,
               'ranking', NEW.ranking, 'rating', NEW.rating, 'scale', NEW.scale) END"""


class Migration(migrations.Migration):
    """Webhooks are told of rankings and ratings what they say."""

    dependencies = [("annotator", "0017_erasure_door")]
    operations = [migrations.RunSQL(TELL.replace("{more}", OF_LINEUPS), TELL.replace("{more}", ""))]
