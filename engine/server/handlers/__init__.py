"""What each method does: ``quick`` in the serving process, all else in the worker."""
