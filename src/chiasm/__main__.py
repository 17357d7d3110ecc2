"""`python -m chiasm`: the command line."""

from chiasm.cli import main

if __name__ == "__main__":
    main()
