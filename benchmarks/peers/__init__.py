"""The competitors of each topic: `COMPETITORS` of a module names its functions `seed -> Measurement`."""
