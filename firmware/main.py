"""Power-up: all of it is in `powerup`, which a board has compiled. Ctrl-C leaves a prompt."""

import gc

gc.threshold(4096)  # loading leaves garbage between the modules

import powerup  # noqa: E402

if __name__ == "__main__":
    powerup.run()
