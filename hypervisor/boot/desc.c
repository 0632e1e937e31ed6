/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables: per CPU a GDT and a TSS with own stacks for NMI, double fault and machine check; one IDT for all.
 * Intel SDM vol. 3: 3.4.5 (descriptors), 7.7 (64-bit TSS), 6.14 (IDT).
 */
#include "boot/boot.h"
#include "lib/x86.h"

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS 0x18
#define GATE_INTERRUPT 0x8e00u /* present, ring 0, interrupts off */
#define IST_STACK 8192

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3, io_map;
} __attribute__((packed));
enum { IST_NMI = 1, IST_DOUBLE_FAULT, IST_MACHINE_CHECK, IST_LAST = IST_MACHINE_CHECK };
struct descriptors {
    uint8_t stack[IST_LAST][IST_STACK] __attribute__((aligned(16)));
    uint64_t gdt[5];
    struct tss tss;
};
static PERCPU(struct descriptors, descriptors);

struct gate { uint16_t low, selector, flags, middle; uint32_t high, reserved; };
static struct gate idt[256];
extern const char idt_stubs[]; /* 16 bytes each */

static void idt_fill(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t a = (uint64_t)idt_stubs + i * 16;
        unsigned ist = i == 2 ? IST_NMI : i == 8 ? IST_DOUBLE_FAULT : i == 18 ? IST_MACHINE_CHECK : 0;

        idt[i] = (struct gate){(uint16_t)a, SEL_CODE, (uint16_t)(GATE_INTERRUPT | ist), (uint16_t)(a >> 16), (uint32_t)(a >> 32), 0};
    }
}

static void load(const struct descriptors *d)
{
    struct { uint16_t limit; uint64_t base; } __attribute__((packed))
    gdtr = {sizeof(d->gdt) - 1, (uint64_t)d->gdt}, idtr = {sizeof(idt) - 1, (uint64_t)idt};

    __asm__ volatile("lgdt %0; lidt %1" ::"m"(gdtr), "m"(idtr));
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" ::"i"(SEL_CODE) : "rax", "memory");
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" ::"r"(SEL_DATA) : "memory");
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
}

void desc_init_cpu(void)
{
    struct descriptors *d = &this_cpu(descriptors);
    uint64_t t = (uint64_t)&d->tss;

    if (!this_cpu_id())
        idt_fill();
    for (unsigned i = 0; i < IST_LAST; i++)
        d->tss.ist[i] = (uint64_t)d->stack[i] + IST_STACK;
    d->tss.io_map = sizeof(d->tss);
    d->gdt[SEL_CODE / 8] = 0x00af9b000000ffff;
    d->gdt[SEL_DATA / 8] = 0x00cf93000000ffff;
    d->gdt[SEL_TSS / 8] = (sizeof(d->tss) - 1) | (t & 0xffffff) << 16 | 0x89ull << 40 | (t >> 24 & 0xff) << 56;
    d->gdt[SEL_TSS / 8 + 1] = t >> 32;
    load(d);
}
