// What lwIP takes from a C library, and MicroPython does not bring along.

int atoi(const char *text) {
    int value = 0;
    for (; *text >= '0' && *text <= '9'; text++) {
        value = value * 10 + *text - '0';
    }
    return value;
}
