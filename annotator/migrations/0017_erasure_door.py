"""The door for erasures: triggers let a row go only for the person or project that an open erasure names."""

from django.db import migrations

OPEN = """
CREATE FUNCTION attune_may_erase(of_project bigint, of_annotator bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT 1 FROM annotator_erasure e
         WHERE e.id::text = current_setting('attune.erasure', true) AND e.state IN ('waiting', 'running')
           AND (e.number = of_annotator OR e.whole_project = of_project))
$$;

CREATE OR REPLACE FUNCTION attune_judgment_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF attune_may_erase(OLD.project_id, OLD.annotator_id) THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'judgment % is append-only: withdraw it by a new revision', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NOT OLD.current OR NEW.current OR to_jsonb(NEW) - 'current' <> to_jsonb(OLD) - 'current' THEN
        RAISE EXCEPTION 'judgment % is append-only: only "current" may be cleared', OLD.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION attune_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND attune_may_erase(OLD.project_id, (to_jsonb(OLD) ->> 'annotator_id')::bigint) THEN
        RETURN OLD;
    END IF;
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'by_id' - 'current' = to_jsonb(OLD) - 'by_id' - 'current'
       AND (to_jsonb(NEW) -> 'current' = to_jsonb(OLD) -> 'current' OR to_jsonb(NEW) -> 'current' = 'false'::jsonb) IS NOT FALSE THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% % is append-only', TG_TABLE_NAME, OLD.id USING ERRCODE = 'integrity_constraint_violation';
END $$;
"""

CLOSED = """
CREATE OR REPLACE FUNCTION attune_judgment_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE OR REPLACE FUNCTION attune_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
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

DROP FUNCTION attune_may_erase(bigint, bigint);
"""


class Migration(migrations.Migration):
    dependencies = [("annotator", "0016_erasure")]
    operations = [migrations.RunSQL(OPEN, CLOSED)]
