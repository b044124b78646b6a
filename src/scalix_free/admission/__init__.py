"""Whether they may, and how much."""
