"""Garment detectors: torchvision's networks, how they learn from boxes, and how they are run."""
