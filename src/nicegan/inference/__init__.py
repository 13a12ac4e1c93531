"""Trained models at work: on tensors, images, files and folders."""
