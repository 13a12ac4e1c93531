"""DRIT (Lee et al., ECCV 2018): its configuration, networks and phases."""
