"""Images: found, checked and decoded once, then drawn from as a pure function of the step."""
