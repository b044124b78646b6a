"""A day of scarce budgets: who answers more of it, better, and more fairly."""
