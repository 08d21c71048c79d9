// The network interface beneath ESP32's sockets: what ESP-IDF's esp_netif and its drivers are on
// the board. Ours, not Espressif's; a Linux TAP (lwIP's contrib) is the wire.
//
// The Python module `esp32netif` has what on_board/modules/network.py makes LAN and WLAN of:
//   add(name, mac)       make the interface: lwIP numbers it, "en" becomes "en1"
//   link(up)             a carrier has come, or gone
//   address(ip, mask, gateway) or address() -> (ip, mask, gateway)
//   dhcp(on)             start lwIP's own DHCP client, or stop it
// The TAP's name is the environment's PRECONFIGURED_TAPIF (contrib's tapif.c).

#include <string.h>

#include "py/runtime.h"
#include "py/mperrno.h"
#include "shared/netutils/netutils.h"

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "lwip/netifapi.h"
#include "lwip/tcpip.h"
#include "netif/tapif.h"
#include "esp_netif.h"

static struct netif wire;
static bool added;

static void tell_started(void *arg) {
    sys_sem_signal(arg);
}

esp_err_t esp_netif_init(void) {
    static bool started;
    if (!started) {
        sys_sem_t ready;
        sys_sem_new(&ready, 0);
        tcpip_init(tell_started, &ready);
        sys_sem_wait(&ready);
        sys_sem_free(&ready);
        started = true;
    }
    return ESP_OK;
}

static void check(err_t err) {
    if (err != ERR_OK) {
        mp_raise_OSError(err_to_errno(err));
    }
}

static struct netif *wire_or_raise(void) {
    if (!added) {
        mp_raise_OSError(MP_ENODEV);
    }
    return &wire;
}

static mp_obj_t netif_add_wire(mp_obj_t name_in, mp_obj_t mac_in) {
    if (added) {
        return mp_const_none; // a soft reset's second time
    }
    const char *name = mp_obj_str_get_str(name_in);
    mp_buffer_info_t mac;
    mp_get_buffer_raise(mac_in, &mac, MP_BUFFER_READ);
    if (strlen(name) != 2 || mac.len != sizeof(wire.hwaddr)) {
        mp_raise_ValueError(NULL);
    }
    if (getenv("PRECONFIGURED_TAPIF") == NULL) {
        mp_raise_OSError(MP_ENODEV);
    }
    esp_netif_init();
    // tapif_init says that there is a link; so does nobody here before link(True).
    check(netifapi_netif_add(&wire, NULL, NULL, NULL, NULL, tapif_init, tcpip_input));
    check(netifapi_netif_set_link_down(&wire));
    memcpy(wire.name, name, sizeof(wire.name));
    memcpy(wire.hwaddr, mac.buf, mac.len);
    check(netifapi_netif_set_default(&wire));
    added = true;
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(netif_add_wire_obj, netif_add_wire);

static mp_obj_t netif_link(mp_obj_t up_in) {
    struct netif *netif = wire_or_raise();
    // esp_netif_handlers.c: a carrier brings the interface up, address or no address.
    if (mp_obj_is_true(up_in)) {
        check(netifapi_netif_set_up(netif));
        check(netifapi_netif_set_link_up(netif));
    } else {
        check(netifapi_netif_set_link_down(netif));
        check(netifapi_netif_set_down(netif));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(netif_link_obj, netif_link);

static mp_obj_t netif_address(size_t n_args, const mp_obj_t *args) {
    struct netif *netif = wire_or_raise();
    ip4_addr_t parts[3] = {*netif_ip4_addr(netif), *netif_ip4_netmask(netif), *netif_ip4_gw(netif)};
    if (n_args == 0) {
        mp_obj_t texts[3];
        for (int i = 0; i < 3; i++) {
            texts[i] = netutils_format_ipv4_addr((uint8_t *)&parts[i], NETUTILS_BIG);
        }
        return mp_obj_new_tuple(3, texts);
    }
    for (size_t i = 0; i < n_args; i++) {
        netutils_parse_ipv4_addr(args[i], (uint8_t *)&parts[i], NETUTILS_BIG);
    }
    check(netifapi_netif_set_addr(netif, &parts[0], &parts[1], &parts[2]));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(netif_address_obj, 0, 3, netif_address);

static mp_obj_t netif_dhcp(mp_obj_t on_in) {
    struct netif *netif = wire_or_raise();
    if (mp_obj_is_true(on_in)) {
        check(netifapi_dhcp_start(netif));
    } else {
        check(netifapi_dhcp_release_and_stop(netif));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(netif_dhcp_obj, netif_dhcp);

static const mp_rom_map_elem_t netif_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_esp32netif) },
    { MP_ROM_QSTR(MP_QSTR_add), MP_ROM_PTR(&netif_add_wire_obj) },
    { MP_ROM_QSTR(MP_QSTR_link), MP_ROM_PTR(&netif_link_obj) },
    { MP_ROM_QSTR(MP_QSTR_address), MP_ROM_PTR(&netif_address_obj) },
    { MP_ROM_QSTR(MP_QSTR_dhcp), MP_ROM_PTR(&netif_dhcp_obj) },
};
static MP_DEFINE_CONST_DICT(netif_globals, netif_globals_table);

const mp_obj_module_t mp_module_esp32netif = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&netif_globals,
};

MP_REGISTER_MODULE(MP_QSTR_esp32netif, mp_module_esp32netif);
