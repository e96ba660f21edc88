"""From names, recipes and runs to pages of pictures."""
