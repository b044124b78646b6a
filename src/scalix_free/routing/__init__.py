"""Who answers best."""
