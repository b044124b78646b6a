"""Things that remember."""
