"""Using and judging a trained translator."""
