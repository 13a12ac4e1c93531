"""The networks, and the `Domain` that gives each image domain its three parts."""
