/* SPDX-License-Identifier: MIT */
/*
 * driverdoms/pci and frontends/pcifront against the real backend (backends/pci) over a shared page, with a function
 * that looks like an NVMe controller behind it: discovery, BARs, MSI-X, the memory across a restart, a backend that
 * is silent, functions that lie.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "rt/internal.h"
#include "bulkhead/ext.h"
#include "backends/pci/pciback.h"
#include "driverdoms/pci/pci.h"
#include "frontends/pcifront.h"
#include <xen/io/pciif.h>
#include "suite.h"

#define BAR_SIZE 16384u

uint16_t rt_domid = 5;
uint32_t rt_incarnation = 1;
static uint64_t now;
static uint8_t config[256];          /* the function */
static bool silent;
static unsigned operations;          /* of the ring */
static struct xen_pci_sharedinfo *page;
static struct pci_view view = { 0 };
static struct pciback back = { .domid = 5, .port = 1, .nr_fns = 1 };
static char store[40][2][256];       /* xenstore: path, value */
static uint64_t mapped_at, mapped_size;
static struct bh_op last_op;
static unsigned last_cmd, attached, closed;

/* --- the function --- */
static void put(unsigned at, unsigned n, uint64_t v)
{
    memcpy(config + at, &v, n);
}

static uint32_t cfg_read(void *hw, unsigned offset, unsigned size)
{
    uint32_t v = 0;
    if (offset + size > sizeof(config))
        return ~0u;
    memcpy(&v, config + offset, size);
    return v;
}

static void cfg_write(void *hw, unsigned offset, unsigned size, uint32_t value)
{
    memcpy(config + offset, &value, size);
}

static void plug(void *regs, uint32_t msix_where)
{
    uint64_t sizes[PCI_VIEW_BARS] = { BAR_SIZE };
    memset(config, 0, sizeof(config));
    put(0, 4, 0x00101b36);
    put(6, 2, 0x10);
    put(8, 4, 0x01080202);
    put(0x10, 8, (uint64_t)regs | 4);
    put(0x34, 1, 0x40);
    put(0x40, 2, 0x6001);           /* power management, next 60h */
    put(0x60, 4, 0x00400011);       /* MSI-X, last, 65 entries */
    put(0x64, 4, msix_where);
    view = (struct pci_view){ .read = cfg_read, .write = cfg_write };
    pci_view_init(&view, sizes);
    back.fn[0] = (struct pciback_fn){ .vsbdf = 0, .view = &view };
}

/* --- xenstore --- */
static char *node(const char *path, bool make)
{
    for (unsigned i = 0; i < 40; i++) {
        if (!store[i][0][0] && make)
            strcpy(store[i][0], path);
        if (strcmp(store[i][0], path) == 0)
            return store[i][1];
    }
    return NULL;
}

char *rt_xs_read(uint32_t tx, const char *path, unsigned *len, int *err)
{
    char *v = node(path, false);
    if (err)
        *err = v ? 0 : ENOENT;
    if (!v)
        return NULL;
    if (len)
        *len = (unsigned)strlen(v);
    return strdup(v);
}

int rt_xs_write(uint32_t tx, const char *path, const char *value)
{
    strcpy(node(path, true), value);
    return 0;
}

int rt_xs_printf(uint32_t tx, const char *path, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(node(path, true), 256, fmt, ap);
    va_end(ap);
    return 0;
}

int rt_xs_read_u64(const char *path, uint64_t *value)
{
    char *v = node(path, false);
    if (!v)
        return ENOENT;
    *value = strtoul(v, NULL, 10);
    return 0;
}

/* --- the rest of rt --- */
void rt_log(const char *fmt, ...) { }
void rt_crash(const char *fmt, ...) { abort(); }
void *rt_alloc(size_t n) { return calloc(1, n ? n : 1); }
void rt_free(void *p) { free(p); }
void *rt_alloc_pages(unsigned n)
{
    page = aligned_alloc(RT_PAGE, n * RT_PAGE);
    return memset(page, 0, n * RT_PAGE);
}
int rt_grant(uint16_t to, void *p, bool readonly) { return to == 0 && !readonly ? 9 : -1; }
int rt_event_alloc(uint16_t remote, rt_event_fn fn, void *arg) { return 4; }
void rt_event_attach(uint32_t port, rt_event_fn fn, void *arg) { attached = port; }
void rt_event_close(uint32_t port) { closed = port; }
void rt_look_again(uint32_t port) { }
uint64_t rt_now(void) { return now; }
void rt_sleep_until(uint64_t deadline) { now = deadline; }
int rt_map_mmio(uint64_t addr, uint64_t bytes)
{
    mapped_at = addr;
    mapped_size = bytes;
    return 0;
}
void rt_event_send(uint32_t port)
{
    CU_ASSERT_EQUAL(port, 4);
    if (!silent)
        operations += pciback_serve(&back, page);
}

/* What backends/pci needs of its host, but for the handshake, which is not played here. */
int host_map(struct host_map *m, uint16_t dom, const uint32_t *refs, unsigned n, bool ro) { return -1; }
void host_unmap(struct host_map *m) { }
int host_event_bind(uint16_t dom, uint32_t port, host_event_fn fn, void *arg) { return -1; }
void host_event_close(int port) { }
void host_event_send(int port) { }
char *host_xs_read(uint32_t tx, const char *path) { return NULL; }
int host_xs_write(uint32_t tx, const char *path, const char *value) { return 0; }
int host_xs_watch(const char *path, host_watch_fn fn, void *arg) { return 0; }
void host_xs_unwatch(const char *path, host_watch_fn fn, void *arg) { }
void host_free(void *p) { free(p); }
void host_log(const char *fmt, ...) { }
uint16_t host_domid(void) { return 0; }

long fake_hypercall(uint64_t cmd, struct bh_op *b);
long fake_hypercall(uint64_t cmd, struct bh_op *b)
{
    last_cmd = (unsigned)cmd;
    if (cmd == BH_OP_msi_bind) {
        b->u.msi.port = 33;
        b->u.msi.addr = 0x1fee00010;
        b->u.msi.data = 0x77;
    }
    last_op = *b;
    return 0;
}

/* --- tests; each is a process of its own, for what pci.c finds is found once --- */
static volatile uint32_t *regs;

static void machine(void)
{
    regs = aligned_alloc(BAR_SIZE, BAR_SIZE);
    memset((void *)regs, 0, BAR_SIZE);
    plug((void *)regs, 0x2000);
    rt_xs_write(0, "device/pci/0/backend", "/local/domain/0/backend/pci/5/0");
    rt_xs_write(0, "device/pci/0/backend-id", "0");
    rt_xs_write(0, "/local/domain/0/backend/pci/5/0/state", "4");
    rt_xs_write(0, "/local/domain/0/backend/pci/5/0/num_devs", "1");
    rt_xs_write(0, "/local/domain/0/backend/pci/5/0/dev-0", "0000:00:04.0");
    rt_xs_write(0, "/local/domain/0/backend/pci/5/0/vdev-0", "0000:00:00.0");
}

static void use(struct pci_dev *d)
{
    volatile uint32_t *entry = regs + (0x2000 + 16 * 2) / 4;
    uint64_t size;
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT(d->sbdf == 0x20 && d->vsbdf == 0 && d->vendor == 0x1b36 && d->device == 0x10 && d->class == 0x010802);
    CU_ASSERT_PTR_NULL(pci_next(d));
    CU_ASSERT(pci_bar(d, 0, &size) == (void *)regs && size == BAR_SIZE);
    CU_ASSERT(mapped_at == (uint64_t)regs && mapped_size == BAR_SIZE);
    CU_ASSERT(!pci_bar(d, 1, NULL) && !pci_bar(d, 2, NULL) && !pci_bar(d, 6, NULL));
    CU_ASSERT_EQUAL(d->msix_size, 65);
    CU_ASSERT_EQUAL(pci_enable(d), 0);
    CU_ASSERT_EQUAL(cfg_read(NULL, 4, 2) & 6, 6);
    CU_ASSERT(pci_msix_enable(d, 0) < 0);
    CU_ASSERT_EQUAL(pci_msix_enable(d, 1000), 65);
    CU_ASSERT_EQUAL(cfg_read(NULL, 0x62, 2) & 0xc000, 0x8000);
    CU_ASSERT_EQUAL(entry[3], 1);
    CU_ASSERT_EQUAL(pci_msix_bind(d, 2, NULL, NULL), 0);
    CU_ASSERT(last_cmd == BH_OP_msi_bind && last_op.u.msi.sbdf == 0x20 && last_op.version == BH_INTERFACE_VERSION);
    CU_ASSERT(entry[0] == 0xfee00010 && entry[1] == 1 && entry[2] == 0x77 && entry[3] == 0 && attached == 33);
    CU_ASSERT(pci_msix_bind(d, 65, NULL, NULL) < 0);
    pci_msix_unbind(d, 2);
    CU_ASSERT(entry[3] == 1 && closed == 33);
    CU_ASSERT_EQUAL(pci_dma_enable(d), 0);
    CU_ASSERT(last_cmd == BH_OP_dma_enable && last_op.u.dma.sbdf == 0x20);
}

static void test_first_life(void)
{
    machine();
    use(pci_first());
    CU_ASSERT(operations > 10);
    CU_ASSERT_EQUAL(cfg_read(NULL, 0x10, 4), (uint32_t)((uint64_t)regs | 4)); /* sizing moved no BAR */
    CU_ASSERT_STRING_EQUAL(node("device/pci/0/state", false), "4");
    CU_ASSERT_EQUAL(pci_read32(pci_first(), 5000), ~0u);
    CU_ASSERT_EQUAL(pci_read16(pci_first(), 3), 0xffff);
    CU_ASSERT(pci_write32(pci_first(), 2, 0) < 0);
    silent = true;
    uint64_t start = now;
    CU_ASSERT_EQUAL(pci_read32(pci_first(), 0), ~0u); /* gives up in the end */
    CU_ASSERT_EQUAL(now - start, PCIF_WAIT_NS);
}

/* What a first life leaves in xenstore serves the second, which asks the backend nothing. */
static void test_second_life(void)
{
    machine();
    char line[256];
    snprintf(line, sizeof(line), "20 0 1b36 10 10802 2 60 41 %lx %lx 4000 0 0 0 0 0 0 0 0 0 0", (uint64_t)regs + 0x2000, (uint64_t)regs);
    rt_xs_write(0, "device/pci/0/found", "1");
    rt_xs_write(0, "device/pci/0/found-0", line);
    put(4, 2, 6);
    put(0x62, 2, 0x8040);
    rt_incarnation = 2;
    use(pci_first());
    CU_ASSERT_EQUAL(operations, 0);
    CU_ASSERT_EQUAL(pci_read32(pci_first(), 0), 0x00101b36); /* though it can */
    CU_ASSERT(operations > 0);
}

static void test_bad_memory(void)
{
    machine();
    rt_xs_write(0, "device/pci/0/found", "1");
    rt_xs_write(0, "device/pci/0/found-0", "20 0 1b36 10 nonsense");
    rt_incarnation = 2;
    use(pci_first()); /* found the long way */
    CU_ASSERT(operations > 0);
}

static void test_table_outside(void)
{
    machine();
    plug((void *)regs, 0x3ff8);
    struct pci_dev *d = pci_first();
    CU_ASSERT_PTR_NOT_NULL_FATAL(d);
    CU_ASSERT(d->msix_size == 0 && pci_msix_enable(d, 1) < 0);
}

static void test_no_backend(void)
{
    machine();
    rt_xs_write(0, "/local/domain/0/backend/pci/5/0/state", "2");
    CU_ASSERT_PTR_NULL(pci_first());
    CU_ASSERT(now >= PCIF_WAIT_NS);
}

static void test_no_device(void)
{
    CU_ASSERT_PTR_NULL(pci_first());
    CU_ASSERT_EQUAL(now, 0);
}

static void test_names(void)
{
    static const struct { const char *text; uint32_t sbdf; } good[] = { { "0000:00:04.0", 0x20 }, { "0001:ff:1f.7", 0x1ffff },
        { "0:0:0.0", 0 } };
    static const char *const bad[] = { "", "0000:00:04", "0000:00:20.0", "0000:00:04.8", "10000:00:04.0", "0000:100:04.0",
        "0000:00:04.0 ", "0000:00:04.0x", "g:00:04.0", "00:04.0", "0000:00:04.0.0" };
    uint32_t v;
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CU_ASSERT(pcif_parse(good[i].text, &v) && v == good[i].sbdf);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT(!pcif_parse(bad[i], &v));
}

int main(int argc, char **argv)
{
    static const CU_TestInfo tests[] = { { "names", test_names },
        { "first life", test_first_life }, { "second life", test_second_life }, { "what was left is nonsense", test_bad_memory },
        { "MSI-X table outside its BAR", test_table_outside }, { "backend does not come", test_no_backend },
        { "no device at all", test_no_device } };
    const unsigned n = sizeof(tests) / sizeof(tests[0]);
    unsigned failures = 0;
    if (argc < 2) {
        for (unsigned i = 0; i < n; i++) {
            char command[512];
            snprintf(command, sizeof(command), "%s %u", argv[0], i);
            failures += system(command) != 0;
        }
        return failures != 0;
    }
    unsigned i = (unsigned)atoi(argv[1]);
    CU_TestInfo one[] = { i < n ? tests[i] : (CU_TestInfo)CU_TEST_INFO_NULL, CU_TEST_INFO_NULL };
    return suite_run("pci functions", NULL, one);
}
