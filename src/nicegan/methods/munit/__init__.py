"""MUNIT (Huang et al., ECCV 2018): its configuration, networks and phases."""
