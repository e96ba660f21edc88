"""Parts that a network is made of."""
