"""Speed and memory, measured: sides that take turns, against a plain reference and against the machine's own limit."""
