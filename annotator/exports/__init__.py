"""Files out: judgments, and preference rows for trainers, as JSON lines or CSV, streamed from a cursor of the database."""
