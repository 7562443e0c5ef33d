"""Lineups as the database keeps them: slots counted, responses checked, and leases personal."""

from django.db import migrations

COUNT_SLOTS = """
CREATE FUNCTION attune_count_lineup_slots() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') AND OLD.lineup_id IS NOT NULL AND attune_holds_slot(OLD.state, 0) = 1
       AND (TG_OP = 'DELETE' OR attune_holds_slot(NEW.state, 0) = 0) THEN
        UPDATE annotator_lineup SET taken = taken - 1 WHERE id = OLD.lineup_id;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') AND NEW.lineup_id IS NOT NULL AND attune_holds_slot(NEW.state, 0) = 1
       AND (TG_OP = 'INSERT' OR attune_holds_slot(OLD.state, 0) = 0) THEN
        UPDATE annotator_lineup SET taken = taken + 1 WHERE id = NEW.lineup_id;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER attune_count_lineup_slots_new AFTER INSERT ON annotator_assignment
    FOR EACH ROW WHEN (NEW.lineup_id IS NOT NULL) EXECUTE FUNCTION attune_count_lineup_slots();
CREATE TRIGGER attune_count_lineup_slots AFTER UPDATE OF state OR DELETE ON annotator_assignment
    FOR EACH ROW WHEN (OLD.lineup_id IS NOT NULL) EXECUTE FUNCTION attune_count_lineup_slots();
"""
STOP_COUNTING = """
DROP TRIGGER attune_count_lineup_slots ON annotator_assignment;
DROP TRIGGER attune_count_lineup_slots_new ON annotator_assignment;
DROP FUNCTION attune_count_lineup_slots;
"""

RESPONSES_FIT = """
CREATE FUNCTION attune_lineup_fits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT count(*) FROM annotator_response WHERE id = ANY (NEW.responses) AND prompt_id = NEW.prompt_id)
       <> cardinality(NEW.responses)
       OR NEW.responses <> (SELECT array_agg(each ORDER BY each) FROM unnest(NEW.responses) AS each) THEN
        RAISE EXCEPTION 'the responses of a lineup are distinct, of its prompt, and the oldest comes first'
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attune_lineup_fits BEFORE INSERT OR UPDATE OF responses, prompt_id ON annotator_lineup
    FOR EACH ROW EXECUTE FUNCTION attune_lineup_fits();
"""

RANKING_FITS = """
CREATE FUNCTION attune_lineup_judgment_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lineup annotator_lineup;
BEGIN
    SELECT * INTO lineup FROM annotator_lineup WHERE id = NEW.lineup_id;
    IF NEW.kind <> lineup.kind THEN
        RAISE EXCEPTION 'a % is no judgment of a lineup for a %', NEW.kind, lineup.kind
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.assignment_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM annotator_assignment l
            WHERE l.id = NEW.assignment_id AND l.annotator_id = NEW.annotator_id AND l.lineup_id = NEW.lineup_id) THEN
        RAISE EXCEPTION 'a lease is used by its holder only' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.ranking IS NOT NULL AND (SELECT array_agg(place::int ORDER BY place::int)
            FROM jsonb_array_elements(NEW.ranking) AS tier, jsonb_array_elements_text(tier) AS place)
       IS DISTINCT FROM (SELECT array_agg(each) FROM generate_series(1, cardinality(lineup.responses)) AS each) THEN
        RAISE EXCEPTION 'a ranking places every response of its lineup once' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER attune_lineup_judgment_fits BEFORE INSERT ON annotator_judgment
    FOR EACH ROW WHEN (NEW.lineup_id IS NOT NULL) EXECUTE FUNCTION attune_lineup_judgment_fits();
"""


class Migration(migrations.Migration):
    dependencies = [("annotator", "0011_lineups")]
    operations = [
        migrations.RunSQL(COUNT_SLOTS, STOP_COUNTING),
        migrations.RunSQL(
            RESPONSES_FIT, "DROP TRIGGER attune_lineup_fits ON annotator_lineup; DROP FUNCTION attune_lineup_fits;"
        ),
        migrations.RunSQL(
            RANKING_FITS,
            "DROP TRIGGER attune_lineup_judgment_fits ON annotator_judgment; DROP FUNCTION attune_lineup_judgment_fits;",
        ),
    ]
