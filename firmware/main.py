"""Power-up: all of it is in `powerup`, which a board has compiled. Ctrl-C leaves a prompt."""

import powerup

if __name__ == "__main__":
    powerup.run()
