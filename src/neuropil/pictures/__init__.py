"""Pictures of networks, gradients and attention: what inspection measured, as SVG and self-contained pages."""
