"""The commands that need nothing of the web parts."""
