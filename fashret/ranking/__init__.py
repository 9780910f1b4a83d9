"""From embeddings files to ranking files and scores: what search, rerank and evaluate have in common."""
