from django.db import models


class TextVector(models.Model):
    """One encoder's vector of one (prompt, response), float32 little-endian: each text is encoded once, for ever."""

    encoder = models.CharField(max_length=40)
    digest = models.CharField(max_length=64)
    vector = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["encoder", "digest"], name="text_vector_once")]

    def __str__(self) -> str:
        return f"{self.encoder} {self.digest[:12]}"
