"""Pure functions on arrays: distances, neighbours, re-ranking, scores."""
