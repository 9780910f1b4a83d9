"""Street-to-shop fashion retrieval: photos become crops, crops vectors, vectors a ranking, a ranking a score."""

__version__ = "0.1.0"
