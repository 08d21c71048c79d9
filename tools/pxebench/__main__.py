"""`pxebench`, also as `python -m pxebench`: the way in, and out while the commands still load."""

import os


def main():
    """Run the command line; a Ctrl-C ends it in good order from here on."""
    try:
        from pxebench import cli
    except KeyboardInterrupt:
        os._exit(130)  # nothing has begun, and there is nothing to say it with yet
    cli.main()


if __name__ == "__main__":
    main()
