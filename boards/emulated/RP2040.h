// rp2's pendsv.c asks for the chip's CMSIS header: here it is a Cortex-M3's, of Arm's own files.
#pragma once

typedef enum {
    NonMaskableInt_IRQn = -14,
    HardFault_IRQn = -13,
    PendSV_IRQn = -2,
    SysTick_IRQn = -1,
} IRQn_Type;

#define __CM3_REV 0x0201
#define __NVIC_PRIO_BITS 8
#define __MPU_PRESENT 0
#define __Vendor_SysTickConfig 0
#include "core_cm3.h"
