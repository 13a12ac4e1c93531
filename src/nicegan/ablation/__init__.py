"""The same training with switches on and off, and one table of what that changes."""
