"""What Django's constraints can't say: slots are counted by the database, judgments are append-only, leases are personal."""

from django.db import migrations

COUNT_SLOTS = """
CREATE FUNCTION attune_holds_slot(state text, occasion int) RETURNS int LANGUAGE sql IMMUTABLE AS
$$ SELECT CASE WHEN occasion = 0 AND state IN ('open', 'judged') THEN 1 ELSE 0 END $$;

CREATE FUNCTION attune_count_slots() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') AND attune_holds_slot(OLD.state, OLD.occasion) = 1
       AND NOT (TG_OP = 'UPDATE' AND NEW.pair_id = OLD.pair_id AND attune_holds_slot(NEW.state, NEW.occasion) = 1) THEN
        UPDATE annotator_pair SET taken = taken - 1 WHERE id = OLD.pair_id;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') AND attune_holds_slot(NEW.state, NEW.occasion) = 1
       AND NOT (TG_OP = 'UPDATE' AND NEW.pair_id = OLD.pair_id AND attune_holds_slot(OLD.state, OLD.occasion) = 1) THEN
        UPDATE annotator_pair SET taken = taken + 1 WHERE id = NEW.pair_id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER attune_count_slots AFTER INSERT OR UPDATE OF state, occasion, pair_id OR DELETE ON annotator_assignment
    FOR EACH ROW EXECUTE FUNCTION attune_count_slots();
"""

APPEND_ONLY = """
CREATE FUNCTION attune_judgment_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('attune.erase', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'judgment % is append-only: withdraw it by a new revision', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NOT OLD.current OR NEW.current OR to_jsonb(NEW) - 'current' <> to_jsonb(OLD) - 'current' THEN
        RAISE EXCEPTION 'judgment % is append-only: only "current" may be cleared', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER attune_judgment_append_only BEFORE UPDATE OR DELETE ON annotator_judgment
    FOR EACH ROW EXECUTE FUNCTION attune_judgment_append_only();
"""

LEASE_IS_PERSONAL = """
ALTER TABLE annotator_judgment ADD CONSTRAINT judgment_lease_is_its_annotators
    FOREIGN KEY (assignment_id, annotator_id, pair_id) REFERENCES annotator_assignment (id, annotator_id, pair_id)
    ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
"""


class Migration(migrations.Migration):
    dependencies = [("annotator", "0001_initial")]
    operations = [
        migrations.RunSQL(
            COUNT_SLOTS,
            "DROP TRIGGER attune_count_slots ON annotator_assignment; DROP FUNCTION attune_count_slots;"
            " DROP FUNCTION attune_holds_slot;",
        ),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER attune_judgment_append_only ON annotator_judgment; DROP FUNCTION attune_judgment_append_only;",
        ),
        migrations.RunSQL(
            LEASE_IS_PERSONAL, "ALTER TABLE annotator_judgment DROP CONSTRAINT judgment_lease_is_its_annotators;"
        ),
    ]
