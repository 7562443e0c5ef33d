from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("personalization", "0004_policy_rounds")]

    operations = [
        migrations.AddField(
            model_name="traitstatement",
            name="asked",
            field=models.BooleanField(
                default=False, help_text="An answer to a question: it counts less than a correction."
            ),
        ),
    ]
