from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("personalization", "0001_initial")]
    operations = [
        migrations.RemoveField(model_name="latent", name="last_judgment"),
        migrations.AddField(
            model_name="latent",
            name="signature",
            field=models.CharField(default="", help_text="Of the judgments that went into it.", max_length=64),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="latent",
            name="n_unused",
            field=models.PositiveIntegerField(default=0, help_text="Judgments of texts that are not encoded yet."),
        ),
    ]
