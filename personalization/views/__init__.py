"""Pages of the personalization app."""
