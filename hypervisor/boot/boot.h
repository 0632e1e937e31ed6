/* SPDX-License-Identifier: MIT */
/* What boot/'s files tell each other: the loader's information, ACPI tables, the order of things. */
#ifndef BOOT_BOOT_H
#define BOOT_BOOT_H
#include "lib/percpu.h"
#include "mem/frames.h"

struct boot_module { mpa_t start; uint64_t size; char cmdline[1024]; };
struct boot_info {
    char cmdline[1024];
    struct mem_range ram[64];
    unsigned nr_ram;
    struct boot_module module[4];
    unsigned nr_modules;
    uint64_t rsdp;              /* from multiboot 2 (EFI); 0 = search */
};
extern struct boot_info boot_info;
int multiboot_parse(uint32_t magic, mpa_t info);  /* 1 and 2 */
bool boot_option(const char *name, char *value, size_t n); /* "name=value" or "name" on our command line */
uint64_t boot_option_u64(const char *name, uint64_t otherwise);

/* boot/acpi.c: fixed data out of the tables (ACPI 6.4) */
struct acpi_info {
    unsigned nr_cpus;
    uint32_t apic_id[MAX_CPUS];
    struct { uint8_t id; uint64_t address; uint32_t gsi_base; } ioapic[8];
    unsigned nr_ioapic;
    struct { uint32_t gsi; bool level, low; } isa[16]; /* overrides; default gsi = irq, edge, high */
    uint64_t hpet;
    uint16_t pm_timer_port;
    bool pm_timer_32bit;
    const void *dmar;           /* direct map, NULL without */
};
extern struct acpi_info acpi_info;
int acpi_init(void);             /* fills acpi_info, and what of struct machine the tables tell */

/* boot/smp.c */
void percpu_init_bsp(void);
void smp_start(void);            /* every CPU of the MADT; they end in cpu_loop */
extern mfn_t host_pt_root;       /* the host's page tables (boot/main.c) */
#define AP_TRAMPOLINE 0x8000ull  /* physical page where secondary CPUs start; RAM below 1 MiB is never given out */
/* boot/desc.c, idt.S, trap.c */
void desc_init_cpu(void);        /* this CPU's GDT, TSS with interrupt stacks, and the IDT; after percpu */
struct trap_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error, rip, cs, rflags, rsp, ss;
};
void trap(struct trap_frame *f); /* called by idt.S: exceptions panic, vectors >= 32 go to irq_dispatch */
/* boot/main.c */
_Noreturn void cpu_loop(void);   /* softirqs, choose, run, dispatch, for ever */
/* boot/provoke.c */
void provoke(void);              /* option panic=MOMENT */
/* boot/domain0.c */
int domain0_build(void);
#endif
