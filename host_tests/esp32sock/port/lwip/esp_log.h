// MicroPython sets ESP-IDF's log level to errors; modsocket.c has one only for what cannot happen.
#include <stdio.h>
#define ESP_LOGE(tag, format, ...) fprintf(stderr, "%s: " format "\n", tag, ##__VA_ARGS__)
#define ESP_LOGI(tag, format, ...) (void)tag
