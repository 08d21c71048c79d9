// The flash: `rp2.Flash` over the machine's PSRAM, which QEMU keeps in a file, so that it survives power-off.
//
// As on an RP2: blocks of 4096 bytes are erased to 0xff, pages of 256 bytes are programmed, which clears bits
// only, and interrupts are off meanwhile. Ours: how long they are off can be set, the power can fail in the
// middle of a chosen write, and every write can be noted in a journal (board.h).

#include <string.h>
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/vfs.h"
#include "board.h"

#define BLOCK 4096
#define PAGE 256

enum { ERASE = 1, PROGRAM = 2 };

static void note(uint32_t kind, uint32_t offset, const uint8_t *data, uint32_t size) {
    volatile settings_t *s = SETTINGS;
    if (!s->journal || s->journal_bytes + 12 + size > JOURNAL_LIMIT) {
        return;
    }
    uint32_t head[] = { kind, offset, size };
    memcpy(JOURNAL + s->journal_bytes, head, 12);
    memcpy(JOURNAL + s->journal_bytes + 12, data, size);
    s->journal_bytes += 12 + size;
}

static void program(uint8_t *to, const uint8_t *from, size_t size) {
    for (size_t i = 0; i < size; i++) {
        to[i] &= from[i];
    }
}

// One write that nothing can interrupt, but for a power failure: then half of it is done, and the board is dead.
static void write(uint32_t kind, uint32_t offset, const uint8_t *data, size_t size, uint32_t us) {
    volatile settings_t *s = SETTINGS;
    uint32_t state = save_and_disable_interrupts();
    bool fails = s->writes + 1 == s->fail_at;
    size_t done = fails ? size / 2 : size;
    if (kind == ERASE) {
        memset(PSRAM + offset, 0xff, done);
        note(kind, offset, NULL, 0);
    } else {
        program(PSRAM + offset, data, done);
        note(kind, offset, data, size);
    }
    s->writes++;
    if (fails) {
        s->power_lost = 1;
        for (;;) {
            __asm volatile ("wfi");
        }
    }
    for (uint64_t end = time_us_64() + us; us && time_us_64() < end;) {
    }
    restore_interrupts(state);
}

static void erase(uint32_t offset, size_t size) {
    for (; size; offset += BLOCK, size -= BLOCK) {
        write(ERASE, offset, NULL, BLOCK, SETTINGS->erase_us);
        mp_event_handle_nowait();
    }
}

// ---- the class

typedef struct {
    mp_obj_base_t base;
} flash_t;

static const mp_obj_type_t flash_type;
static const flash_t flash = { { &flash_type } };

// Where a request of readblocks and writeblocks begins; both take (block, buffer[, offset]).
static uint32_t place(size_t n_args, const mp_obj_t *args, mp_buffer_info_t *buffer, mp_uint_t access) {
    mp_get_buffer_raise(args[2], buffer, access);
    uint32_t offset = mp_obj_get_int(args[1]) * BLOCK + (n_args == 4 ? mp_obj_get_int(args[3]) : 0);
    if (offset + buffer->len > SETTINGS->blocks * BLOCK) {
        mp_raise_ValueError(NULL);
    }
    return offset;
}

static mp_obj_t flash_readblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t buffer;
    uint32_t offset = place(n_args, args, &buffer, MP_BUFFER_WRITE);
    memcpy(buffer.buf, PSRAM + offset, buffer.len);
    mp_event_handle_nowait();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(flash_readblocks_obj, 3, 4, flash_readblocks);

static mp_obj_t flash_writeblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t buffer;
    uint32_t offset = place(n_args, args, &buffer, MP_BUFFER_READ);
    if (n_args == 3) {
        erase(offset, buffer.len);
    }
    for (size_t at = 0; at < buffer.len; at += PAGE) {
        size_t size = MIN(buffer.len - at, PAGE);
        write(PROGRAM, offset + at, (const uint8_t *)buffer.buf + at, size, SETTINGS->program_us);
    }
    mp_event_handle_nowait();
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(flash_writeblocks_obj, 3, 4, flash_writeblocks);

static mp_obj_t flash_ioctl(mp_obj_t self, mp_obj_t command, mp_obj_t argument) {
    switch (mp_obj_get_int(command)) {
        case MP_BLOCKDEV_IOCTL_INIT:
        case MP_BLOCKDEV_IOCTL_DEINIT:
        case MP_BLOCKDEV_IOCTL_SYNC:
            return MP_OBJ_NEW_SMALL_INT(0);
        case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
            return MP_OBJ_NEW_SMALL_INT(SETTINGS->blocks);
        case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(BLOCK);
        case MP_BLOCKDEV_IOCTL_BLOCK_ERASE:
            erase(mp_obj_get_int(argument) * BLOCK, BLOCK);
            return MP_OBJ_NEW_SMALL_INT(0);
        default:
            return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(flash_ioctl_obj, flash_ioctl);

static mp_obj_t flash_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 0, false);
    return MP_OBJ_FROM_PTR(&flash);
}

static const mp_rom_map_elem_t flash_locals_table[] = {
    { MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&flash_readblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&flash_writeblocks_obj) },
    { MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&flash_ioctl_obj) },
};
static MP_DEFINE_CONST_DICT(flash_locals, flash_locals_table);

static MP_DEFINE_CONST_OBJ_TYPE(
    flash_type, MP_QSTR_Flash, MP_TYPE_FLAG_NONE, make_new, flash_make_new, locals_dict, &flash_locals);

static const mp_rom_map_elem_t rp2_globals_table[] = {
    { MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_rp2) },
    { MP_ROM_QSTR(MP_QSTR_Flash), MP_ROM_PTR(&flash_type) },
};
static MP_DEFINE_CONST_DICT(rp2_globals, rp2_globals_table);

const mp_obj_module_t rp2_module = {
    .base = { &mp_type_module },
    .globals = (mp_obj_dict_t *)&rp2_globals,
};
MP_REGISTER_MODULE(MP_QSTR_rp2, rp2_module);
