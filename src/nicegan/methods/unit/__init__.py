"""UNIT (Liu et al., NeurIPS 2017): its configuration, networks and phases."""
