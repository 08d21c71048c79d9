"""What a board does at power-up. All of it is in `powerup`, which a board has compiled; a main.py
cannot be, and is best short.

Ctrl-C ends it, and leaves a prompt.
"""

import powerup

if __name__ == "__main__":
    powerup.run()
