"""One published mistake per file, all in one shape: SOURCES, wrong, right, outcome, install, tests."""
