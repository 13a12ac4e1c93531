"""What the networks have learned: where the domains lie in the latent space, and where the discriminators look."""
