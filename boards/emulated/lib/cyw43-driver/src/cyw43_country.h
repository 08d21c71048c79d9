// See cyw43.h.
#define CYW43_COUNTRY(a, b, revision) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(revision) << 16)
