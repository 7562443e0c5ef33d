"""A hidden repeat of a lineup takes no slot, as one of a pair does not."""

from django.db import migrations

COUNT_SLOTS = """
CREATE OR REPLACE FUNCTION attune_count_lineup_slots() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') AND OLD.lineup_id IS NOT NULL AND attune_holds_slot(OLD.state, {old}) = 1
       AND (TG_OP = 'DELETE' OR attune_holds_slot(NEW.state, {new}) = 0) THEN
        UPDATE annotator_lineup SET taken = taken - 1 WHERE id = OLD.lineup_id;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') AND NEW.lineup_id IS NOT NULL AND attune_holds_slot(NEW.state, {new}) = 1
       AND (TG_OP = 'INSERT' OR attune_holds_slot(OLD.state, {old}) = 0) THEN
        UPDATE annotator_lineup SET taken = taken + 1 WHERE id = NEW.lineup_id;
    END IF;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("annotator", "0020_lineups_checked")]
    operations = [
        migrations.RunSQL(
            COUNT_SLOTS.format(old="OLD.occasion", new="NEW.occasion"), COUNT_SLOTS.format(old="0", new="0")
        )
    ]
