from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotator", "0021_lineup_repeats")]
    operations = [
        migrations.AddField(
            model_name="qualityreport",
            name="contested",
            field=models.JSONField(
                default=list, help_text="Ids of lineups on which people part ways, the most contested first."
            ),
        )
    ]
