"""What `train` and `embed` share: images of crops in batches, made ahead by workers; several processes."""
