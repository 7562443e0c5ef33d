from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotator", "0022_contested_lineups")]
    operations = [
        migrations.AddField(
            model_name="lineup",
            name="qualifying",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="One with a known answer that is asked before anything else.",
            ),
        ),
        migrations.AddConstraint(
            model_name="lineup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("qualifying", False),
                    ("gold_ranking__isnull", False),
                    ("gold_low__isnull", False),
                    _connector="OR",
                ),
                name="lineup_qualifying_is_gold",
            ),
        ),
    ]
