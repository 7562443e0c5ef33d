"""Policies: language models moved towards what everybody, a group or one annotator prefers."""
