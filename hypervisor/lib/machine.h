/* SPDX-License-Identifier: MIT */
/*
 * What every room may know about the machine: facts that boot/ finds out and fills in before the first domain exists,
 * constant from then on; and how to switch it off.
 */
#ifndef LIB_MACHINE_H
#define LIB_MACHINE_H
#include "lib/types.h"

struct machine {
    const char *cmdline;           /* our own command line */
    uint64_t ram_end;              /* first byte behind the highest RAM */
    uint64_t mcfg_base;            /* PCI Express configuration space of segment 0 from bus 0; 0 = none */
    unsigned mcfg_buses;           /* of so many buses it can be reached through the direct map */
    uint16_t pm1a_cnt, pm1b_cnt;   /* ports of ACPI's PM1 control blocks, 0 = absent */
    uint8_t s5_type_a, s5_type_b;  /* sleep types that mean off */
    uint16_t smi_cmd;              /* port and value that turn ACPI mode on, 0 = it is on */
    uint8_t acpi_enable;
    uint8_t reset_space;           /* enum acpi_space */
    uint8_t reset_value;
    uint64_t reset_addr;           /* 0 = no reset register */
};
enum acpi_space { SPACE_MEMORY, SPACE_IO, SPACE_PCI }; /* ACPI 6.4, 5.2.3.2 */
extern struct machine machine;
_Noreturn void machine_power_off(void), machine_reset(void); /* ACPI; what cannot be done is logged, and the CPU halts */
#endif
