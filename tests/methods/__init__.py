"""One suite over the registry: what every method must do, with no method named."""
