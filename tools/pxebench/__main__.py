"""`pxebench`, also as `python -m pxebench`: the way in, and out while the commands still load."""

import gc
import os


def main():
    """Run the command line; a Ctrl-C ends it in good order from here on."""
    gc.disable()  # nothing of what is loaded now can go: looking for it costs a tenth
    try:
        from pxebench import cli
    except KeyboardInterrupt:
        os._exit(130)  # nothing has begun, and there is nothing to say it with yet
    gc.freeze()
    gc.enable()
    cli.main()


if __name__ == "__main__":
    main()
