/* SPDX-License-Identifier: MIT */
/*
 * Per-CPU areas and the start of the other CPUs, one after the other. CPU 0 uses the link-time section .percpu itself;
 * each other CPU gets a zeroed area of the same size and a stack with a page below it that is not mapped.
 * A CPU that does not come up in time loses its seat, so it can do no harm when it comes later.
 */
#include "boot/boot.h"
#include "cpu/cpu.h"
#include "irq/apic.h"
#include "lib/log.h"
#include "lib/string.h"
#include "sched/sched.h"
#include "sched/timer.h"

#define STACK_ORDER 3 /* 32 KiB, of which the lowest page is the guard */
#define START_NS 3000000000ull
#define MS 1000000ull

enum ap_seat { AP_NONE, AP_OFFERED, AP_TAKEN, AP_UP, AP_FAILED }; /* 1 and 2 are known to trampoline.S */
struct trampoline_params { uint32_t cr3, cr4, efer, cr0; uint64_t entry; };
struct cpu_frames { mfn_t area, stack; };

extern char percpu_start[], percpu_end[];
extern const char trampoline_start[], trampoline_params[], trampoline_end[], ap_entry[];
extern uint32_t ap_seat;
extern uint64_t ap_stack_top;
_Noreturn void ap_main(void);

uint64_t percpu_offset[MAX_CPUS];
unsigned nr_cpus = 1;
PERCPU(unsigned, cpu_number);
PERCPU(uint64_t, percpu_self);
uint32_t ap_seat;      /* enum ap_seat of the CPU being started */
uint64_t ap_stack_top;
static unsigned ap_number;
static uint64_t ap_cr4, ap_pat;

void percpu_init_bsp(void)
{
    wrmsr(MSR_GS_BASE, 0);
}

static unsigned area_order(void)
{
    unsigned order = 0;

    while (PAGE_SIZE << order < (uint64_t)(percpu_end - percpu_start))
        order++;
    return order;
}

/* Everything CPU `n` needs to have before it runs. */
static int cpu_allocate(unsigned n, struct cpu_frames *f)
{
    struct pagetable host = {.fmt = &pt_host, .root = host_pt_root, .levels = 4};
    uint64_t stack;

    f->area = frame_alloc(area_order());
    f->stack = frame_alloc(STACK_ORDER);
    if (!mfn_valid_value(f->area) || !mfn_valid_value(f->stack))
        return -ENOMEM;
    memset(mfn_to_virt(f->area), 0, PAGE_SIZE << area_order());
    percpu_offset[n] = (uint64_t)mfn_to_virt(f->area) - (uint64_t)percpu_start;
    per_cpu(cpu_number, n) = n;
    per_cpu(percpu_self, n) = percpu_offset[n];
    stack = (uint64_t)mfn_to_virt(f->stack);
    ap_stack_top = stack + (PAGE_SIZE << STACK_ORDER);
    if (pt_unmap(&host, stack << 16 >> 16 >> PAGE_SHIFT, ORDER_4K))
        return -ENOMEM;
    write_cr3(read_cr3());
    return 0;
}

static void write_trampoline(void)
{
    char *page = mpa_to_virt(mpa(AP_TRAMPOLINE));
    struct trampoline_params p = {
        .cr3 = (uint32_t)mfn_to_mpa(host_pt_root).v,
        .cr4 = (uint32_t)(read_cr4() & (CR4_PAE | CR4_PGE)),
        .efer = (uint32_t)(rdmsr(MSR_EFER) & (EFER_LME | EFER_NXE)),
        .cr0 = (uint32_t)(read_cr0() & ~(CR0_CD | CR0_NW)),
        .entry = (uint64_t)ap_entry,
    };

    memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    memcpy(page + (trampoline_params - trampoline_start), &p, sizeof(p));
    ap_cr4 = read_cr4();
    ap_pat = rdmsr(MSR_PAT);
}

static void delay(uint64_t ns)
{
    uint64_t end = now_ns() + ns;

    while (now_ns() < end)
        cpu_pause();
}

static bool wait_seat_beyond(enum ap_seat s, uint64_t ns)
{
    uint64_t end = now_ns() + ns;

    while (__atomic_load_n(&ap_seat, __ATOMIC_ACQUIRE) <= (uint32_t)s) {
        if (now_ns() > end)
            return false;
        cpu_pause();
    }
    return true;
}

/* INIT, 10 ms, start-up, and a second start-up if the first was lost (Intel SDM vol. 3, 8.4.4.1). */
static void wake(uint32_t id)
{
    apic_send_init(id);
    delay(10 * MS);
    apic_send_sipi(id, AP_TRAMPOLINE >> PAGE_SHIFT);
    if (!wait_seat_beyond(AP_OFFERED, 10 * MS))
        apic_send_sipi(id, AP_TRAMPOLINE >> PAGE_SHIFT);
}

/* true: it is up as CPU number nr_cpus. */
static bool start_one(uint32_t id)
{
    uint32_t offered = AP_OFFERED;
    struct cpu_frames f;

    if (cpu_allocate(nr_cpus, &f)) {
        log_error("smp: no memory for the CPU with APIC id %u: it stays off", id);
        return false;
    }
    ap_number = nr_cpus;
    __atomic_store_n(&ap_seat, AP_OFFERED, __ATOMIC_SEQ_CST);
    wake(id);
    if (!wait_seat_beyond(AP_OFFERED, START_NS) &&
        __atomic_compare_exchange_n(&ap_seat, &offered, AP_NONE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        /* its frames stay allocated: the guard page cannot be given out again */
        log_warn("smp: the CPU with APIC id %u did not start in %llu s: going on without it", id, START_NS / 1000000000);
        return false;
    }
    if (!wait_seat_beyond(AP_TAKEN, START_NS))
        panic("smp: the CPU with APIC id %u started but hangs on its way up", id);
    return __atomic_load_n(&ap_seat, __ATOMIC_ACQUIRE) == AP_UP;
}

void ap_main(void)
{
    wrmsr(MSR_GS_BASE, percpu_offset[ap_number]);
    write_cr4(ap_cr4);
    wrmsr(MSR_PAT, ap_pat);
    desc_init_cpu();
    apic_init_cpu();
    timer_cpu_init();
    fpu_cpu_init();
    if (cpu->enable()) {
        log_error("smp: %s cannot be enabled on CPU %u: it stays off", cpu->name, this_cpu_id());
        __atomic_store_n(&ap_seat, AP_FAILED, __ATOMIC_SEQ_CST);
        for (;;)
            __asm__ volatile("cli; hlt");
    }
    sched_cpu_init();
    sched_cpu_join();
    __atomic_store_n(&ap_seat, AP_UP, __ATOMIC_SEQ_CST);
    cpu_loop();
}

void smp_start(void)
{
    if (mfn_to_mpa(host_pt_root).v >> 32) {
        log_error("smp: the page tables lie above 4 GiB: the other CPUs stay off");
        return;
    }
    panic_stop_others = apic_nmi_all_others;
    write_trampoline();
    for (unsigned i = 0; i < acpi_info.nr_cpus && nr_cpus < MAX_CPUS; i++)
        if (acpi_info.apic_id[i] != this_cpu(apic_id) && start_one(acpi_info.apic_id[i]))
            nr_cpus++;
}
