"""What training needs: losses, batches, augmentation, schedules, the loop."""
