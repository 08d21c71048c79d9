// What ports/esp32/modsocket.c and modnetwork.h need of ESP-IDF's header.
#pragma once
#include <stdint.h>

typedef int esp_err_t;
#define ESP_OK 0

typedef struct esp_netif_obj esp_netif_t;
typedef int esp_interface_t;

// Starts lwIP's task, once (modesp32netif.c); `socket.__init__` calls it.
esp_err_t esp_netif_init(void);
