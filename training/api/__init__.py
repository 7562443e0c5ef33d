"""The API of runs and model versions."""
