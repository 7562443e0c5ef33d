"""Attune's core: preferences, rewards and what to ask next. Pure Python, no web framework."""

__version__ = "0.1.0"
