"""A pinned pair holds a slot; steps about annotators are never rewritten, and of a decision only "current" is cleared."""

from django.db import migrations

HOLDS_SLOT = """
CREATE OR REPLACE FUNCTION attune_holds_slot(state text, occasion int) RETURNS int LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN occasion = 0 AND state IN ({states}) THEN 1 ELSE 0 END $$;
"""

APPEND_ONLY = """
CREATE FUNCTION attune_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('attune.erase', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'by_id' - 'current' = to_jsonb(OLD) - 'by_id' - 'current'
       AND (to_jsonb(NEW) -> 'current' = to_jsonb(OLD) -> 'current' OR to_jsonb(NEW) -> 'current' = 'false'::jsonb) IS NOT FALSE THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% % is append-only', TG_TABLE_NAME, OLD.id USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER attune_append_only BEFORE UPDATE OR DELETE ON annotator_qualitystep
    FOR EACH ROW EXECUTE FUNCTION attune_append_only();
CREATE TRIGGER attune_append_only BEFORE UPDATE OR DELETE ON annotator_adjudication
    FOR EACH ROW EXECUTE FUNCTION attune_append_only();
"""


class Migration(migrations.Migration):
    dependencies = [("annotator", "0005_trust")]
    operations = [
        migrations.RunSQL(
            HOLDS_SLOT.format(states="'open', 'judged', 'pinned'"), HOLDS_SLOT.format(states="'open', 'judged'")
        ),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER attune_append_only ON annotator_qualitystep;"
            " DROP TRIGGER attune_append_only ON annotator_adjudication; DROP FUNCTION attune_append_only;",
        ),
    ]
