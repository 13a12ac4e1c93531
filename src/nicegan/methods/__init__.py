"""Methods: which losses train which parameters, and in what order."""
