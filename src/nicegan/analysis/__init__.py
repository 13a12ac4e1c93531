"""Analysis of trained models: latents, heatmaps, ablations."""
