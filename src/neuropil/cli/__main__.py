"""`python -m neuropil.cli` is the command `neuropil`."""

from neuropil.cli import main

main()
