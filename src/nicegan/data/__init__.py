"""Images: found, checked and decoded once, then sampled as a pure function of the step."""
