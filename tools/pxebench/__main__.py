"""`python -m pxebench` is `pxebench`."""

from pxebench.cli import main

if __name__ == "__main__":
    main()
