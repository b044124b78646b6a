"""Words and arithmetic. Standard library only."""
