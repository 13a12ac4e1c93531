"""CUT (Park et al., ECCV 2020): its configuration, networks and phases."""
