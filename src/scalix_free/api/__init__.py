"""HTTP: routes, completions, limits, health, reference."""
