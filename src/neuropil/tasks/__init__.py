"""What a network is for: loss, metrics, readable answer."""
