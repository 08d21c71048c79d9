"""`pxebench`, also as `python -m pxebench`; a Ctrl-C while the commands still load."""

import gc
import os


def main():
    """Run the command line; from here on a Ctrl-C ends it in order."""
    gc.disable()  # what is loaded now stays: collecting it costs a tenth of the start
    try:
        from pxebench import cli
    except KeyboardInterrupt:
        os._exit(130)  # nothing has begun, and what prints messages is not loaded
    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
