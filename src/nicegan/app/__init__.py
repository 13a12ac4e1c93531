"""A page in the browser on which anybody can try trained models."""
