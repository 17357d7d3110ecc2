"""`python -m chiasm`: the command line."""

from chiasm.cli import main

main()
