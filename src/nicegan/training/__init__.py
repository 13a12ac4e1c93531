"""Training: the loop, and everything a run must remember."""
