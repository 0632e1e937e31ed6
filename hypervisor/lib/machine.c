/* SPDX-License-Identifier: MIT */
/* Powering the machine off and resetting it (ACPI 6.4 chapters 4 and 16), by what boot/acpi.c read out of the tables. */
#include "lib/machine.h"
#include "lib/log.h"
#include "lib/time.h"
#include "lib/x86.h"

#define SLP_EN BIT(13)
#define SCI_EN BIT(0)
#define POWER_OFF_NS 3000000000ull /* what a machine may take: it goes on running meanwhile */

struct machine machine;

/* Until the serial ports have what waits, and long enough for them to send what they hold. */
static void settle(void)
{
    serial_queue(false);
    for (unsigned i = 0; i < 100000; i++)
        cpu_pause();
}

static _Noreturn void halt_forever(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

static void sleep_control(uint16_t port, uint8_t type)
{
    if (port)
        outw(port, (uint16_t)((inw(port) & ~(7u << 10 | SLP_EN)) | (unsigned)type << 10 | SLP_EN));
}

/* 4.8.3.2 and 16.1.4: sleep type into PM1a and PM1b, in ACPI mode. Stops here when the machine stays on. */
void machine_power_off(void)
{
    uint16_t port = machine.pm1a_cnt;
    settle();
    if (port && !(inw(port) & SCI_EN) && machine.smi_cmd && machine.acpi_enable) {
        outb(machine.smi_cmd, machine.acpi_enable);
        for (unsigned i = 0; i < 1000000 && !(inw(port) & SCI_EN); i++)
            cpu_pause();
    }
    sleep_control(port, machine.s5_type_a);
    sleep_control(machine.pm1b_cnt, machine.s5_type_b);
    for (uint64_t end = now_ns() + POWER_OFF_NS; now_ns() < end;)
        cpu_pause();
    log_error("power off: the machine did not go off; it may be switched off now");
    halt_forever();
}

/* 4.8.3.6: the register may be a port, memory, or configuration space of bus 0 (device << 32 | function << 16 | offset). */
static void reset_by_register(void)
{
    uint64_t a = machine.reset_addr;
    if (!a)
        return;
    if (machine.reset_space == SPACE_IO) {
        outb((uint16_t)a, machine.reset_value);
    } else if (machine.reset_space == SPACE_MEMORY) {
        *(volatile uint8_t *)mpa_to_virt(mpa(a)) = machine.reset_value;
    } else {
        outl(0xcf8, (uint32_t)(BIT(31) | (a >> 32 & 31) << 11 | (a >> 16 & 7) << 8 | (a & 0xfc)));
        outb((uint16_t)(0xcfc + (a & 3)), machine.reset_value);
    }
}

/* The FADT's register, then the chipset's reset control port, then the keyboard controller, then a triple fault. */
void machine_reset(void)
{
    irq_disable();
    settle();
    reset_by_register();
    settle();
    outb(0xcf9, 0x02);
    outb(0xcf9, 0x06);
    settle();
    outb(0x64, 0xfe);
    settle();
    static const struct { uint16_t limit; uint64_t base; } __attribute__((packed)) no_idt = {0, 0};
    __asm__ volatile("lidt %0; int3" ::"m"(no_idt));
    halt_forever();
}
