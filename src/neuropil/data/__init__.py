"""Files into batches."""
