"""Building blocks, one idea a file. They take numbers, never a configuration."""
