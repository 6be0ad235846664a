"""`python -m fdglung`: the same as the command `fdglung`."""

from fdglung.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
