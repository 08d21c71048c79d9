// Included by modsocket.c, used only with MICROPY_HW_ENABLE_MDNS_QUERIES.
