"""Networks from papers, one family a file."""
