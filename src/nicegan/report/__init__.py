"""A run in one HTML page."""
