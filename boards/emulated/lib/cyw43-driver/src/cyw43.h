// What MicroPython's extmod/network_cyw43.c calls in the driver of the Pico W's radio, which Debian leaves out.
// It is answered by the LAN9118 (cyw43.c). Names, numbers and states are the driver's; nothing else is.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lwip/dhcp.h"
#include "lwip/netif.h"

enum { CYW43_ITF_STA, CYW43_ITF_AP };
enum {
    CYW43_LINK_BADAUTH = -3, CYW43_LINK_NONET, CYW43_LINK_FAIL, CYW43_LINK_DOWN, CYW43_LINK_JOIN, CYW43_LINK_NOIP,
    CYW43_LINK_UP,
};
enum { CYW43_NO_POWERSAVE_MODE, CYW43_PM1_POWERSAVE_MODE, CYW43_PM2_POWERSAVE_MODE };
enum {
    CYW43_IOCTL_GET_SSID = 0x32, CYW43_IOCTL_GET_CHANNEL = 0x3a, CYW43_IOCTL_GET_ANTDIV = 0x7e,
    CYW43_IOCTL_SET_ANTDIV = 0x81, CYW43_IOCTL_SET_MONITOR = 0xd9, CYW43_IOCTL_GET_VAR = 0x20c,
    CYW43_IOCTL_SET_VAR = 0x20f,
};
#define CYW43_AUTH_OPEN 0
#define CYW43_AUTH_WPA2_MIXED_PSK 0x00400006
#define CYW43_AUTH_WPA3_SAE_AES_PSK 0x01000004
#define CYW43_AUTH_WPA3_WPA2_AES_PSK 0x01400004
#define CYW43_CHANNEL_NONE 0xffffffff
#define CYW43_TRACE_MAC 8

typedef struct {
    struct netif netif[2];
    struct dhcp dhcp_client;
    uint32_t trace_flags;
    uint32_t pm;
    bool up;
    int join; // a CYW43_LINK_*, up to JOIN
} cyw43_t;

typedef struct {
    uint8_t bssid[6], ssid_len, ssid[32];
    uint16_t channel;
    int16_t rssi;
    uint8_t auth_mode;
} cyw43_ev_scan_result_t;

typedef struct {
    uint32_t ssid_len;
    uint8_t ssid[32], bssid[6];
    int8_t scan_type;
} cyw43_wifi_scan_options_t;

extern cyw43_t cyw43_state;

void cyw43_deinit(cyw43_t *self);
int cyw43_tcpip_link_status(cyw43_t *self, int itf);
int cyw43_send_ethernet(cyw43_t *self, int itf, size_t len, const void *buf, bool is_pbuf);
int cyw43_ioctl(cyw43_t *self, uint32_t cmd, size_t len, uint8_t *buf, uint32_t itf);
void cyw43_wifi_set_up(cyw43_t *self, int itf, bool up, uint32_t country);
int cyw43_wifi_join(cyw43_t *self, size_t ssid_len, const uint8_t *ssid, size_t key_len, const uint8_t *key,
    uint32_t auth, const uint8_t *bssid, uint32_t channel);
int cyw43_wifi_leave(cyw43_t *self, int itf);
int cyw43_wifi_scan(cyw43_t *self, cyw43_wifi_scan_options_t *options, void *env,
    int (*found)(void *, const cyw43_ev_scan_result_t *));
bool cyw43_wifi_scan_active(cyw43_t *self);
int cyw43_wifi_get_rssi(cyw43_t *self, int32_t *rssi);
int cyw43_wifi_get_mac(cyw43_t *self, int itf, uint8_t mac[6]);
int cyw43_wifi_get_pm(cyw43_t *self, uint32_t *pm);
int cyw43_wifi_pm(cyw43_t *self, uint32_t pm);

// An access point of its own it cannot be.
static inline void cyw43_wifi_ap_get_stas(cyw43_t *self, int *stations, uint8_t *macs) {
    *stations = 0;
}
static inline void cyw43_wifi_ap_get_ssid(cyw43_t *self, size_t *len, const uint8_t **ssid) {
    *ssid = NULL;
    *len = 0;
}
static inline uint32_t cyw43_wifi_ap_get_auth(cyw43_t *self) {
    return CYW43_AUTH_OPEN;
}
static inline void cyw43_wifi_ap_set_channel(cyw43_t *self, uint32_t channel) {
}
static inline void cyw43_wifi_ap_set_ssid(cyw43_t *self, size_t len, const uint8_t *ssid) {
}
static inline void cyw43_wifi_ap_set_auth(cyw43_t *self, uint32_t auth) {
}
static inline void cyw43_wifi_ap_set_password(cyw43_t *self, size_t len, const uint8_t *key) {
}
