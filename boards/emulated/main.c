// Start, soft reset and end, in the order of `ports/rp2/main.c`.

#include "py/compile.h"
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"
#include "extmod/modnetwork.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"
#include "shared/runtime/softtimer.h"
#include "ports/rp2/mpnetworkport.h"
#include "ports/rp2/pendsv.h"
#include "lwip/init.h"
#include "lwip/apps/mdns.h"
#include "board.h"

extern uint8_t _stack_top, _stack_bottom, _heap_start, _heap_limit;
void uart_init(void);

// rp2's _boot.py. From a string, because a frozen one wants micropython-lib's manifest.
static const char boot_code[] =
    "import vfs, rp2\n"
    "bdev = rp2.Flash()\n"
    "try:\n"
    "    fs = vfs.VfsLfs2(bdev, progsize=256)\n"
    "except:\n"
    "    vfs.VfsLfs2.mkfs(bdev, progsize=256)\n"
    "    fs = vfs.VfsLfs2(bdev, progsize=256)\n"
    "vfs.mount(fs, '/')\n"
    "del vfs, rp2, bdev, fs\n";

static void run_boot_code(void) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_lexer_t *lexer = mp_lexer_new_from_str_len(MP_QSTR__lt_stdin_gt_, boot_code, sizeof(boot_code) - 1, 0);
        mp_parse_tree_t tree = mp_parse(lexer, MP_PARSE_FILE_INPUT);
        mp_call_function_0(mp_compile(&tree, MP_QSTR__lt_stdin_gt_, false));
        nlr_pop();
    } else {
        mp_obj_print_exception(&mp_plat_print, MP_OBJ_FROM_PTR(nlr.ret_val));
    }
}

int main(void) {
    pendsv_init();
    uart_init();
    mp_cstack_init_with_top(&_stack_top, &_stack_top - &_stack_bottom);
    size_t most = &_heap_limit - &_heap_start;
    size_t heap = SETTINGS->heap_bytes;
    gc_init(&_heap_start, &_heap_start + (heap < most ? heap : most));
    lan9118_init();
    lwip_init();
    mdns_resp_init();

    for (;;) {
        mp_init();
        mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__slash_lib));
        readline_init0();
        mod_network_init();
        mod_network_lwip_init();
        run_boot_code();

        int ret = pyexec_file_if_exists("boot.py");
        if (!(ret & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL && ret != 0) {
            ret = pyexec_file_if_exists("main.py");
        }
        if (!(ret & PYEXEC_FORCED_EXIT)) {
            while ((pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl()) == 0) {
            }
        }
        mp_printf(MP_PYTHON_PRINTER, "MPY: soft reboot\n");
        mod_network_deinit();
        soft_timer_deinit();
        gc_sweep_all();
        mp_deinit();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}

void nlr_jump_fail(void *value) {
    mp_printf(&mp_plat_print, "FATAL: uncaught exception %p\n", value);
    for (;;) {
    }
}
