"""CycleGAN (Zhu et al., ICCV 2017): its configuration, networks, phases and image pool."""
