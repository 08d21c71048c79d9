// A CYW43 as MicroPython's `network.WLAN` sees one, over the LAN9118: one Wi-Fi network, whose name and password
// stand in the settings (board.h), behind which lies the Ethernet. Without carrier the network is out of reach.
//
// States as in georgerobotics/cyw43-driver, src/cyw43_ctrl.c and cyw43_lwip.c: the interface is added, and lwIP's
// DHCP client with it, when the radio is switched on; a join goes on in the background and ends in a link, or in
// NONET or BADAUTH; a lost link leaves the state at JOIN. How long each takes is ours.

#include <string.h>
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modnetwork.h"
#include "shared/runtime/softtimer.h"
#include "lib/cyw43-driver/src/cyw43.h"
#include "ports/rp2/pendsv.h"
#include "lwip/apps/mdns.h"
#include "lwip/dns.h"
#include "lwip/ethip6.h"
#include "netif/etharp.h"
#include "board.h"

#define JOIN_MS 600
#define NO_NETWORK_MS 1500
#define BAD_KEY_MS 2500
#define WATCH_MS 250

cyw43_t cyw43_state;
static uint8_t frame[1518];
static soft_timer_entry_t timer;
static int outcome; // of the join that goes on: a CYW43_LINK_*

// ---- frames, at PendSV

static void frame_came(void);

static void poll(void) {
    struct netif *netif = &cyw43_state.netif[CYW43_ITF_STA];
    size_t length;
    while ((length = lan9118_receive(frame, sizeof(frame))) > 0) {
        struct pbuf *p = netif->flags & NETIF_FLAG_LINK_UP ? pbuf_alloc(PBUF_RAW, length, PBUF_POOL) : NULL;
        if (p != NULL) {
            pbuf_take(p, frame, length);
            if (netif->input(p, netif) != ERR_OK) {
                pbuf_free(p);
            }
        }
    }
    lan9118_on_frame(frame_came);
    if (lan9118_waiting()) {
        frame_came();
    }
}

static void frame_came(void) {
    pendsv_schedule_dispatch(PENDSV_DISPATCH_WLAN, poll);
}

int cyw43_send_ethernet(cyw43_t *self, int itf, size_t len, const void *buf, bool is_pbuf) {
    lwip_lock_acquire();
    if (is_pbuf) {
        len = pbuf_copy_partial(buf, frame, sizeof(frame), 0);
        buf = frame;
    }
    lan9118_send(buf, len);
    lwip_lock_release();
    return 0;
}

static err_t output(struct netif *netif, struct pbuf *p) {
    return cyw43_send_ethernet(&cyw43_state, CYW43_ITF_STA, p->tot_len, p, true) ? ERR_IF : ERR_OK;
}

static err_t init_netif(struct netif *netif) {
    netif->linkoutput = output;
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->mtu = 1500;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    lan9118_mac(netif->hwaddr);
    netif->hwaddr_len = 6;
    return ERR_OK;
}

// ---- the radio

static bool present(struct netif *wanted) {
    struct netif *netif;
    NETIF_FOREACH(netif) {
        if (netif == wanted) {
            return true;
        }
    }
    return false;
}

static void remove_netif(cyw43_t *self) {
    struct netif *netif = &self->netif[CYW43_ITF_STA];
    if (present(netif)) {
        dhcp_stop(netif);
        mdns_resp_remove_netif(netif);
        netif_remove(netif);
    }
    ip_2_ip4(&netif->ip_addr)->addr = 0;
    netif->flags = 0;
}

void cyw43_deinit(cyw43_t *self) {
    lwip_lock_acquire();
    soft_timer_remove(&timer);
    remove_netif(self);
    self->up = false;
    self->join = CYW43_LINK_DOWN;
    lwip_lock_release();
}

// At PendSV: the end of a join, and afterwards the carrier.
static void watch(soft_timer_entry_t *entry) {
    cyw43_t *self = &cyw43_state;
    struct netif *netif = &self->netif[CYW43_ITF_STA];
    if (self->join == CYW43_LINK_JOIN) {
        if (outcome != CYW43_LINK_UP) {
            self->join = outcome;
        } else if (lan9118_carrier() && !netif_is_link_up(netif)) {
            netif_set_link_up(netif);
        } else if (!lan9118_carrier() && netif_is_link_up(netif)) {
            netif_set_link_down(netif);
        }
    }
    timer.mode = self->join == CYW43_LINK_JOIN ? SOFT_TIMER_MODE_PERIODIC : SOFT_TIMER_MODE_ONE_SHOT;
}

void cyw43_wifi_set_up(cyw43_t *self, int itf, bool up, uint32_t country) {
    lwip_lock_acquire();
    if (itf == CYW43_ITF_STA && up && !self->up) {
        soft_timer_static_init(&timer, SOFT_TIMER_MODE_ONE_SHOT, WATCH_MS, watch);
        remove_netif(self);
        lan9118_init();
        lan9118_all_multicast(true);
        struct netif *netif = &self->netif[CYW43_ITF_STA];
        netif->name[0] = 'w';
        netif->name[1] = '0';
        ip_addr_t none = IPADDR4_INIT(0);
        netif_add(netif, ip_2_ip4(&none), ip_2_ip4(&none), ip_2_ip4(&none), self, init_netif, ethernet_input);
        netif_set_hostname(netif, mod_network_hostname_data);
        netif_set_default(netif);
        netif_set_up(netif);
        dns_setserver(0, &none);
        dhcp_set_struct(netif, &self->dhcp_client);
        dhcp_start(netif);
        netif_create_ip6_linklocal_address(netif, 1);
        mdns_resp_add_netif(netif, mod_network_hostname_data);
        lan9118_on_frame(frame_came);
    }
    if (itf == CYW43_ITF_STA) {
        self->up = up;
    }
    lwip_lock_release();
}

int cyw43_wifi_join(cyw43_t *self, size_t ssid_len, const uint8_t *ssid, size_t key_len, const uint8_t *key,
    uint32_t auth, const uint8_t *bssid, uint32_t channel) {
    if (!self->up) {
        return -1; // EPERM, as the driver
    }
    const char *name = (const char *)SETTINGS->wifi_ssid, *password = (const char *)SETTINGS->wifi_key;
    uint32_t ms = JOIN_MS;
    outcome = CYW43_LINK_UP;
    if (!lan9118_carrier() || ssid_len != strlen(name) || memcmp(ssid, name, ssid_len) != 0) {
        outcome = CYW43_LINK_NONET;
        ms = NO_NETWORK_MS;
    } else if (key_len != strlen(password) || (key_len && memcmp(key, password, key_len) != 0)) {
        outcome = CYW43_LINK_BADAUTH;
        ms = BAD_KEY_MS;
    }
    lwip_lock_acquire();
    netif_set_link_down(&self->netif[CYW43_ITF_STA]); // a network that it is in is left
    self->join = CYW43_LINK_JOIN;
    timer.mode = SOFT_TIMER_MODE_ONE_SHOT;
    soft_timer_reinsert(&timer, ms);
    lwip_lock_release();
    return 0;
}

int cyw43_wifi_leave(cyw43_t *self, int itf) {
    lwip_lock_acquire();
    if (present(&self->netif[CYW43_ITF_STA])) {
        netif_set_link_down(&self->netif[CYW43_ITF_STA]);
    }
    self->join = CYW43_LINK_DOWN;
    lwip_lock_release();
    return 0;
}

int cyw43_tcpip_link_status(cyw43_t *self, int itf) {
    struct netif *netif = &self->netif[itf];
    uint8_t both = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
    if ((netif->flags & both) == both) {
        return ip_2_ip4(&netif->ip_addr)->addr ? CYW43_LINK_UP : CYW43_LINK_NOIP;
    }
    return itf == CYW43_ITF_STA ? self->join : CYW43_LINK_DOWN;
}

int cyw43_ioctl(cyw43_t *self, uint32_t cmd, size_t len, uint8_t *buf, uint32_t itf) {
    if (cmd == CYW43_IOCTL_GET_SSID && len >= 36) {
        uint32_t size = strlen((const char *)SETTINGS->wifi_ssid);
        memcpy(buf, &size, 4);
        memcpy(buf + 4, (const char *)SETTINGS->wifi_ssid, 32);
    } else {
        memset(buf, 0, len);
    }
    return 0;
}

int cyw43_wifi_scan(cyw43_t *self, cyw43_wifi_scan_options_t *options, void *env,
    int (*found)(void *, const cyw43_ev_scan_result_t *)) {
    cyw43_ev_scan_result_t result = { .bssid = { 2, 0, 0, 0, 0, 1 }, .channel = 1, .rssi = -40 };
    result.ssid_len = strlen((const char *)SETTINGS->wifi_ssid);
    memcpy(result.ssid, (const char *)SETTINGS->wifi_ssid, result.ssid_len);
    result.auth_mode = SETTINGS->wifi_key[0] ? 5 : 0;
    if (result.ssid_len && lan9118_carrier()) {
        found(env, &result);
    }
    return 0;
}

bool cyw43_wifi_scan_active(cyw43_t *self) {
    return false;
}

int cyw43_wifi_get_rssi(cyw43_t *self, int32_t *rssi) {
    *rssi = -40;
    return 0;
}

int cyw43_wifi_get_mac(cyw43_t *self, int itf, uint8_t mac[6]) {
    lan9118_mac(mac);
    return 0;
}

int cyw43_wifi_get_pm(cyw43_t *self, uint32_t *pm) {
    *pm = self->pm;
    return 0;
}

int cyw43_wifi_pm(cyw43_t *self, uint32_t pm) {
    self->pm = pm; // a radio that sleeps would let a datagram wait: this one never does
    return 0;
}
