"""A run written down, checked, assembled and carried out."""
