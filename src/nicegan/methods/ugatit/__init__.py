"""U-GAT-IT (Kim et al., ICLR 2020): its configuration, networks and phases."""
