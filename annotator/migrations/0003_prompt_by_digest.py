from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("annotator", "0002_triggers")]
    operations = [
        migrations.AddIndex(
            model_name="prompt",
            index=models.Index(fields=["project", "digest"], name="prompt_by_digest"),
        ),
    ]
