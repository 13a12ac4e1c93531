"""NICE-GAN (Chen et al., CVPR 2020): its configuration, networks and phases."""
