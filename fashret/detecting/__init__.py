"""What a run of `fashret detect` has to do: photos to look at, what is kept of each, the manifest and the scores."""
