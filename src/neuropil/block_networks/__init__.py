"""Networks written out as a line of blocks, in the notation of timm, as an architecture search finds them."""
