"""demo: what the demos share, and a user's program does not import."""
