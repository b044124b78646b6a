"""Scalix Free: AI without an API key."""

__version__ = "0.1.0"
