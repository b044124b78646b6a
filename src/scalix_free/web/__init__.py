"""Pages for people. Render what they are given; decide nothing."""
