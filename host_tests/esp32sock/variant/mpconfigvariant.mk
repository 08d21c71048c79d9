# The unix port with ESP32's sockets in the place of its own; what else it has not is not needed.
FROZEN_MANIFEST =

# As ports/esp32 is compiled.
COPT = -O2

MICROPY_PY_SOCKET = 0
MICROPY_PY_BTREE = 0
MICROPY_PY_FFI = 0
MICROPY_PY_SSL = 0
