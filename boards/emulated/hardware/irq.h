// For rp2's pendsv.c: all it needs is in RP2040.h.
