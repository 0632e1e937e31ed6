/* SPDX-License-Identifier: MIT */
/* The boot order as a list, and the loop that every CPU ends in. */
#include "boot/boot.h"
#include "call/call.h"
#include "cpu/topology.h"
#include "irq/apic.h"
#include "irq/ioapic.h"
#include "lib/log.h"
#include "lib/machine.h"
#include "lib/softirq.h"
#include "lib/stall.h"
#include "lib/string.h"
#include "sched/timer.h"
#include "trace/trace.h"

extern char image_text[], image_rodata[], image_data[], image_end[], boot_stack_guard[];
_Noreturn void boot_main(uint32_t magic, uint32_t info);

mfn_t host_pt_root;
static struct pagetable host_pt;

static void trace_half_full(void)
{
    event_send_global_virq(VIRQ_TBUF);
}

void (*const softirq_handlers[SOFTIRQ_COUNT])(void) = {
    [SOFTIRQ_TIMER] = timer_softirq,
    [SOFTIRQ_SCHED] = sched_softirq,
    [SOFTIRQ_CONSOLE] = console_softirq,
    [SOFTIRQ_IOMMU] = iommu_fault_softirq,
    [SOFTIRQ_TRACE] = trace_half_full,
    [SOFTIRQ_PROFILE] = profile_softirq,
};

/* --- console and log options --- */

static unsigned port_option(const char *name, unsigned otherwise)
{
    char v[8];
    if (!boot_option(name, v, sizeof(v)))
        return otherwise;
    return strcmp(v, "com2") == 0;
}

static void log_options(void)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    char v[8];
    console_port = port_option("console", 0);
    log_port = port_option("log", console_port);
    serial_init(console_port);
    if (log_port != console_port)
        serial_init(log_port);
    for (unsigned i = 0; boot_option("loglvl", v, sizeof(v)) && i < ARRAY_SIZE(levels); i++)
        if (strcmp(v, levels[i]) == 0)
            log_threshold = (enum log_level)i;
}

static const struct sched_policy *policy_option(void)
{
    char name[16];
    const struct sched_policy *p = &sched_rr;
    if (boot_option("sched", name, sizeof(name))) {
        p = sched_named(name);
        if (!p)
            log_warn("sched=%s: no such scheduler (rr, credit): rr", name);
    }
    return p ? p : &sched_rr;
}

/* --- memory --- */

/* The first byte behind our image and all modules that lie below 4 GiB, where early allocations start. */
static uint64_t first_free(void)
{
    uint64_t end = virt_to_mpa(image_end).v;
    for (unsigned i = 0; i < boot_info.nr_modules; i++)
        end = MAX(end, boot_info.module[i].start.v + boot_info.module[i].size);
    return (end + PAGE_SIZE - 1) & PAGE_MASK;
}

static void map_host(uint64_t va, uint64_t pa, uint64_t end, unsigned perm)
{
    while (pa < end) {
        unsigned order = pa % (PAGE_SIZE << ORDER_1G) == 0 && end - pa >= PAGE_SIZE << ORDER_1G && (cpuid(0x80000001, 0).d & BIT(26))
                             ? ORDER_1G
                         : pa % (PAGE_SIZE << ORDER_2M) == 0 && end - pa >= PAGE_SIZE << ORDER_2M ? ORDER_2M
                                                                                                 : ORDER_4K;
        if (pt_map(&host_pt, va << 16 >> 16 >> PAGE_SHIFT, /* 48 bits are walked */
                    mfn(pa >> PAGE_SHIFT), order, perm))
            panic("no memory for the host's page tables");
        va += PAGE_SIZE << order;
        pa += PAGE_SIZE << order;
    }
}

/* Our own tables: all RAM and the first 4 GiB at DIRECT_MAP, the image with W^X, the AP trampoline's page 1:1. */
static void build_host_tables(void)
{
    if (pt_init(&host_pt, &pt_host, 4))
        panic("no memory for the host's page tables");
    map_host(DIRECT_MAP, 0, 1ull << 32, PT_READ | PT_WRITE);
    for (unsigned i = 0; i < boot_info.nr_ram; i++) {
        uint64_t start = MAX(boot_info.ram[i].start, 1ull << 32);
        map_host(DIRECT_MAP + start, start, boot_info.ram[i].end, PT_READ | PT_WRITE);
    }
    const struct { char *start, *end; unsigned perm; } part[] = {
        {image_text, image_rodata, PT_READ | PT_EXEC},
        {image_rodata, image_data, PT_READ},
        {image_data, boot_stack_guard, PT_READ | PT_WRITE},
        {boot_stack_guard + PAGE_SIZE, image_end, PT_READ | PT_WRITE},
    };
    for (unsigned i = 0; i < ARRAY_SIZE(part); i++)
        map_host((uint64_t)part[i].start, virt_to_mpa(part[i].start).v, virt_to_mpa(part[i].end).v, part[i].perm);
    map_host(AP_TRAMPOLINE, AP_TRAMPOLINE, AP_TRAMPOLINE + PAGE_SIZE, PT_READ | PT_WRITE | PT_EXEC);
    host_pt_root = host_pt.root;
    write_cr4(read_cr4() | CR4_PGE);
    write_cr3(mfn_to_mpa(host_pt.root).v);
}

static void memory_init(void)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < boot_info.nr_ram; i++) {
        log_info("RAM %016lx-%016lx", boot_info.ram[i].start, boot_info.ram[i].end - 1);
        bytes += boot_info.ram[i].end - boot_info.ram[i].start;
        machine.ram_end = MAX(machine.ram_end, boot_info.ram[i].end);
    }
    frames_init(boot_info.ram, boot_info.nr_ram, first_free());
    build_host_tables();
    for (unsigned i = 0; i < boot_info.nr_ram; i++)
        frames_give(MAX(boot_info.ram[i].start, 1ull << 32), boot_info.ram[i].end);
    log_info("%lu MiB of RAM, %lu MiB free, hypervisor image %lu KiB", bytes >> 20, frames_free() >> 8,
             (virt_to_mpa(image_end).v - virt_to_mpa(image_text).v) >> 10);
}

/* --- devices of the platform --- */

static void serial_interrupt(uint8_t vector)
{
    (void)vector;
    softirq_raise(SOFTIRQ_CONSOLE);
}

static void interrupts_init(void)
{
    irq_set_handler(VECTOR_SERIAL, serial_interrupt);
    passthrough_init();
    if (!boot_option("noiommu", NULL, 0) && acpi_info.dmar) {
        if (vtd_init(acpi_info.dmar, VECTOR_IOMMU, this_cpu(apic_id)))
            log_warn("the machine's IOMMU cannot be used: device assignment is refused");
    } else
        log_warn("no IOMMU: device assignment is refused");
    for (unsigned i = 0; i < acpi_info.nr_ioapic; i++)
        ioapic_add(acpi_info.ioapic[i].id, acpi_info.ioapic[i].address, acpi_info.ioapic[i].gsi_base);
    unsigned isa = console_port ? 3 : 4;
    if (ioapic_route(acpi_info.isa[isa].gsi, VECTOR_SERIAL, acpi_info.isa[isa].level, acpi_info.isa[isa].low))
        log_warn("the console's interrupt %u has no I/O APIC pin: no console input", acpi_info.isa[isa].gsi);
    else
        serial_irq_enable(console_port);
}

static void say_machine(void)
{
    if (!(sched_online & BIT(0)))
        log_info("QEMU's TCG: CPU 0 takes interrupts only and runs no vCPU (docs/architecture.md, Quirks)");
    log_info("%u CPU%s, %s with nested paging, TSC %lu kHz, IOMMU %s", nr_cpus, nr_cpus == 1 ? "" : "s", cpu->name, tsc_khz(),
             iommu ? iommu->name : "none");
}

/*
 * QEMU's TCG clears a flag of its first CPU whenever another CPU restores x87 state (IGNNE#), without a lock: what VMRUN or
 * #VMEXIT store in the same word of that CPU at that moment is lost, and nested paging stays on in the host or off in a guest.
 * No guest can be kept from restoring its x87 state, so that CPU runs none. It looks after the others instead: a VMRUN with V_IRQ
 * set stores its CPU's word of pending interrupts without a lock too, and the end of a slice may be lost there.
 */
#define WATCH_NS 10000000ull
static struct timer watch;
static void watch_others(void *arg)
{
    sched_prod_late();
    timer_set(&watch, now_ns() + WATCH_NS);
}

static void spare_boot_cpu(void)
{
    timer_init(&watch, watch_others, NULL);
    watch_others(NULL);
}

void boot_main(uint32_t magic, uint32_t info)
{
    percpu_init_bsp();
    desc_init_cpu();
    if (multiboot_parse(magic, mpa(info)))
        panic("not started by a multiboot 1 or 2 loader (magic %x)", magic);
    machine.cmdline = boot_info.cmdline;
    log_options();
    log_info("Bulkhead, a type-1 hypervisor. Options: %s", boot_info.cmdline[0] ? boot_info.cmdline : "none");
    memory_init();
    if (acpi_init())
        panic("no usable ACPI tables: CPUs and interrupt controllers are unknown");
    apic_init_cpu();
    time_init(acpi_info.hpet, acpi_info.pm_timer_port, acpi_info.pm_timer_32bit);
    log_clock = now_ns;
    apic_timer_calibrate();
    timer_cpu_init();
    fpu_cpu_init();
    if (cpu_select())
        panic("this CPU has no virtualization that Bulkhead knows (AMD SVM or Intel VT-x)");
    if (cpu->enable())
        panic("%s cannot be enabled on CPU 0", cpu->name);
    interrupts_init();
    sched_init(policy_option());
    sched_cpu_init();
    domains_init();
    console_init();
    smp_start();
    topology_init();
    if (nr_cpus == 1 || !cpu_is_tcg())
        sched_cpu_join();
    else
        spare_boot_cpu();
    say_machine();
    provoke();
    int r = domain0_build();
    if (r)
        panic("the control domain cannot be built: error %d", r);
    serial_queue(true);
    cpu_loop();
}

/* --- the loop --- */

static void idle(void)
{
    stall_end();
    /* STI takes effect behind HLT's start, so an interrupt that comes now wakes it. */
    if (!READ_ONCE(this_cpu(softirq_pending)))
        __asm__ volatile("sti; hlt; cli" ::: "memory");
    else {
        irq_enable();
        __asm__ volatile("nop");
        irq_disable();
    }
    stall_begin();
    stall_about(BH_STALL_idle, 0, 0);
}

static PERCPU(struct vcpu *, loaded); /* whose registers are on this CPU */

static void switch_to(struct vcpu *next)
{
    struct vcpu *prev = this_cpu(loaded);
    if (prev == next)
        return;
    vcpu_context_switch(prev, next);
    this_cpu(loaded) = next;
}

void cpu_loop(void)
{
    struct vmexit x;
    this_cpu(profile_top) = (uint64_t)__builtin_frame_address(0);
    stall_begin();
    stall_about(BH_STALL_idle, 0, 0);
    for (;;) {
        if (READ_ONCE(this_cpu(softirq_pending))) {
            stall_answered();
            softirq_run();
        }
        struct vcpu *prev = this_cpu(loaded);
        if (prev && sched_current() == &prev->sched && !sched_must_reschedule()) {
            /* go on with it */
        } else {
            stall_answered();
            switch_to(NULL); /* its registers are in memory before another CPU may take it */
            struct sched_unit *u = sched_next();
            if (!u) {
                idle();
                continue;
            }
            switch_to(container_of(u, struct vcpu, sched));
        }
        struct vcpu *v = this_cpu(loaded);
        vcpu_prepare_entry(v);
        lock_assert_none_held();
        if (READ_ONCE(this_cpu(softirq_pending)))
            continue;
        TRACE(TRC_HVM_VMENTRY);
        cpu->run(&v->hv, &x);
        TRACE(TRC_HVM_VMEXIT64, (uint32_t)x.code, TRACE_LONG(v->hv.regs.rip));
        exit_dispatch(v, &x);
    }
}
