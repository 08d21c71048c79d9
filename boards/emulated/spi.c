// `machine.SPI` and pins, as far as MicroPython's driver of the W5500 wants them: there is no bus.

#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"

static const mp_obj_base_t spi = { &machine_spi_type };

static mp_obj_t spi_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    return MP_OBJ_FROM_PTR(&spi);
}

static void spi_transfer(mp_obj_base_t *self, size_t len, const uint8_t *src, uint8_t *dest) {
}

static const mp_machine_spi_p_t spi_protocol = { .transfer = spi_transfer };

MP_DEFINE_CONST_OBJ_TYPE(
    machine_spi_type, MP_QSTR_SPI, MP_TYPE_FLAG_NONE, make_new, spi_make_new, protocol, &spi_protocol);

mp_obj_base_t *mp_hal_get_spi_obj(mp_obj_t object) {
    return MP_OBJ_TO_PTR(object);
}

mp_obj_t mp_pin_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    return args[0];
}
