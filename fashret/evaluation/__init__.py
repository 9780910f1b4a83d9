"""What a ranking is worth: metrics from exact ranks, scores of ranking files, bootstrap intervals."""
