// A W5500 in MACRAW mode, as MicroPython's driver sees one, over the LAN9118: carrier, whole frames, an
// interrupt at INTN. The SPI bus and its pace are not there (20 MHz: 0.6 ms for a full frame).

#include <string.h>
#include "py/mphal.h"
#include "py/runtime.h"
#include "wizchip_conf.h"
#include "socket.h"
#include "board.h"

static uint8_t mac[6]; // SHAR: zeros until the driver sets it
static uint8_t mode;
static mp_obj_t intn;

void mp_hal_pin_interrupt(mp_hal_pin_obj_t pin, mp_obj_t handler, mp_uint_t trigger, bool hard) {
    intn = trigger == MP_HAL_PIN_TRIGGER_FALL ? handler : MP_OBJ_NULL;
}

static void intn_falls(void) {
    if (intn != MP_OBJ_NULL) {
        mp_call_function_1(intn, mp_const_none); // mpy_wiznet_read_int: schedules wiznet5k_poll, no more
    }
}

void getSHAR(uint8_t into[6]) {
    memcpy(into, mac, 6);
}

void setSHAR(const uint8_t from[6]) {
    memcpy(mac, from, 6);
}

int8_t ctlwizchip(int what, void *argument) {
    memset(mac, 0, 6); // the driver has pulled RST
    mode = 0;
    return 0;
}

void wizchip_setinterruptmask(int mask) {
}

void setSn_IMR(uint8_t socket, uint8_t mask) {
}

void wizchip_clrinterrupt(int mask) {
    if (mode & Sn_MR_MACRAW) {
        lan9118_on_frame(intn_falls);
    }
}

int8_t wizphy_getphylink(void) {
    return lan9118_carrier() ? PHY_LINK_ON : PHY_LINK_OFF;
}

uint8_t getSn_MR(uint8_t socket) {
    return mode;
}

void setSn_MR(uint8_t socket, uint8_t value) {
    mode = value; // MFEN, the filter for our own frames and broadcasts, is how the LAN9118 comes up
}

int8_t wizchip_socket(uint8_t socket, uint8_t protocol, uint16_t port, uint8_t flags) {
    lan9118_init();
    mode = protocol;
    lan9118_on_frame(intn_falls);
    return socket;
}

uint16_t getSn_RX_RSR(uint8_t socket) {
    return lan9118_waiting();
}

int32_t wizchip_sendto(uint8_t socket, uint8_t *frame, uint16_t length, uint8_t *ip, uint16_t port) {
    lan9118_send(frame, length);
    return length;
}

int32_t wizchip_recvfrom(uint8_t socket, uint8_t *frame, uint16_t limit, uint8_t *ip, uint16_t *port) {
    return lan9118_receive(frame, limit);
}

void reg_wizchip_cris_cbfunc(void (*enter)(void), void (*leave)(void)) {
}

void reg_wizchip_cs_cbfunc(void (*select)(void), void (*deselect)(void)) {
}

void reg_wizchip_spi_cbfunc(uint8_t (*read)(void), void (*write)(uint8_t)) {
}

void reg_wizchip_spiburst_cbfunc(void (*read)(uint8_t *, uint16_t), void (*write)(const uint8_t *, uint16_t)) {
}
