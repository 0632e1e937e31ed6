/* SPDX-License-Identifier: MIT */
/* pcifront: see pcifront.h. */
#include "frontends/pcifront.h"
#include "rt/internal.h"
#include <xen/errno.h>
#include <xen/io/pciif.h>
#include <xen/io/xenbus.h>

#define DIR "device/pci/0"
#define POLL_NS 2000000ull

static struct xen_pci_sharedinfo *ring;
static int port = -1;
static char backend[128];
static bool connected;

static void on_event(void *arg)
{
    /* answers are waited for in operate(); AER notices are not for us */
}

static int read_state(const char *dir, uint64_t *state)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/state", dir);
    return -rt_xs_read_u64(path, state);
}

/* A memory page and a port for the backend; published under DIR. */
static int publish(uint16_t backend_id)
{
    ring = rt_alloc_pages(1);
    if (!ring)
        return -XEN_ENOMEM;
    int ref = rt_grant(backend_id, ring, false);
    if (ref < 0)
        return ref;
    port = rt_event_alloc(backend_id, on_event, NULL);
    if (port < 0)
        return port;
    int err = rt_xs_printf(0, DIR "/pci-op-ref", "%d", ref);
    err = err ? err : rt_xs_printf(0, DIR "/event-channel", "%d", port);
    err = err ? err : rt_xs_write(0, DIR "/magic", XEN_PCI_MAGIC);
    return -(err ? err : rt_xs_printf(0, DIR "/state", "%d", XenbusStateInitialised));
}

static int await_backend(void)
{
    uint64_t deadline = rt_now() + PCIF_WAIT_NS, state = 0;
    for (;;) {
        int err = read_state(backend, &state);
        if (!err && state == XenbusStateConnected)
            return 0;
        if (!err && (state == XenbusStateClosing || state == XenbusStateClosed))
            return -XEN_ENODEV;
        if (rt_now() >= deadline)
            return -XEN_ETIMEDOUT;
        rt_look_again((uint32_t)port);
        rt_sleep_until(rt_now() + POLL_NS);
    }
}

static int set_up(void)
{
    uint64_t id;
    unsigned len;
    int err;
    char *path = rt_xs_read(0, DIR "/backend", &len, &err);
    if (!path)
        return err == XEN_ENOENT ? -XEN_ENODEV : -err;
    bool fits = len < sizeof(backend) && strlen(path) == len;
    if (fits)
        memcpy(backend, path, len + 1);
    rt_free(path);
    if (!fits || rt_xs_read_u64(DIR "/backend-id", &id) || id >= DOMID_FIRST_RESERVED)
        return -XEN_EINVAL;
    err = publish((uint16_t)id);
    return err ? err : await_backend();
}

int pcif_connect(void)
{
    if (connected)
        return 0;
    if (ring)
        return -XEN_EIO; /* tried, and failed */
    int err = set_up();
    if (err) {
        if (err != -XEN_ENODEV)
            rt_log("pcifront: not connected to %s: error %d", backend[0] ? backend : "a backend", err);
        return err;
    }
    connected = true;
    return 0;
}

/* Carries out ring->op, which is filled in but for cmd; the first answer makes us Connected. */
static int operate(uint32_t cmd)
{
    static bool said;
    uint64_t deadline = rt_now() + PCIF_WAIT_NS;

    ring->op.cmd = cmd;
    ring->op.err = XEN_PCI_ERR_op_failed;
    __atomic_fetch_or(&ring->flags, XEN_PCIF_active, __ATOMIC_SEQ_CST);
    rt_event_send((uint32_t)port);
    for (;;) {
        rt_look_again((uint32_t)port);
        if (!(__atomic_load_n(&ring->flags, __ATOMIC_ACQUIRE) & XEN_PCIF_active))
            break;
        if (rt_now() >= deadline) {
            rt_log("pcifront: no answer from %s; configuration space is out of reach", backend);
            connected = false;
            return -XEN_ETIMEDOUT;
        }
        rt_sleep_until(deadline);
    }
    if (!said && rt_xs_printf(0, DIR "/state", "%d", XenbusStateConnected) == 0)
        said = true;
    switch (ring->op.err) {
    case XEN_PCI_ERR_success: return 0;
    case XEN_PCI_ERR_dev_not_found: return -XEN_ENODEV;
    case XEN_PCI_ERR_invalid_offset: return -XEN_EINVAL;
    case XEN_PCI_ERR_access_denied: return -XEN_EACCES;
    case XEN_PCI_ERR_not_implemented: return -XEN_ENOSYS;
    default: return -XEN_EIO;
    }
}

static int prepare(uint32_t vsbdf, unsigned offset, unsigned bytes)
{
    if ((bytes != 1 && bytes != 2 && bytes != 4) || offset % bytes || offset + bytes > 4096)
        return -XEN_EINVAL;
    int err = pcif_connect();
    if (err)
        return err;
    ring->op.domain = vsbdf >> 16;
    ring->op.bus = vsbdf >> 8 & 0xff;
    ring->op.devfn = vsbdf & 0xff;
    ring->op.offset = (int32_t)offset;
    ring->op.size = (int32_t)bytes;
    return 0;
}

int pcif_read(uint32_t vsbdf, unsigned offset, unsigned bytes, uint32_t *value)
{
    uint32_t mask = bytes >= 4 ? ~0u : (1u << bytes * 8) - 1;
    int err = prepare(vsbdf, offset, bytes);
    if (!err) {
        ring->op.value = 0;
        err = operate(XEN_PCI_OP_conf_read);
    }
    *value = err ? mask : ring->op.value & mask;
    return err;
}

int pcif_write(uint32_t vsbdf, unsigned offset, unsigned bytes, uint32_t value)
{
    int err = prepare(vsbdf, offset, bytes);
    if (err)
        return err;
    ring->op.value = value;
    return operate(XEN_PCI_OP_conf_write);
}

bool pcif_parse(const char *text, uint32_t *sbdf)
{
    static const struct { unsigned long max; char end; } part[4] = { { 0xffff, ':' }, { 0xff, ':' }, { 0x1f, '.' }, { 7, 0 } };
    unsigned long v[4];
    for (unsigned i = 0; i < 4; i++) {
        char *end;
        v[i] = strtoul(text, &end, 16);
        if (end == text || *end != part[i].end || v[i] > part[i].max)
            return false;
        text = end + 1;
    }
    *sbdf = (uint32_t)(v[0] << 16 | v[1] << 8 | v[2] << 3 | v[3]);
    return true;
}

static int read_function(const char *kind, unsigned i, uint32_t *sbdf)
{
    char path[160];
    int err;
    snprintf(path, sizeof(path), "%s/%s-%u", backend, kind, i);
    char *text = rt_xs_read(0, path, NULL, &err);
    if (!text)
        return -err;
    bool good = pcif_parse(text, sbdf);
    if (!good)
        rt_log("pcifront: %s is '%.32s', not a function", path, text);
    rt_free(text);
    return good ? 0 : -XEN_EINVAL;
}

int pcif_list(struct pcif_function *list)
{
    char path[160];
    uint64_t n;
    unsigned found = 0;

    snprintf(path, sizeof(path), "%s/num_devs", backend);
    int err = rt_xs_read_u64(path, &n);
    if (err)
        return -err;
    for (unsigned i = 0; i < n && i < 256 && found < PCIF_MAX_DEVS; i++) {
        struct pcif_function *f = &list[found];
        if (read_function("dev", i, &f->sbdf) != 0)
            continue; /* a hole: a function taken away */
        if (read_function("vdev", i, &f->vsbdf) != 0)
            f->vsbdf = f->sbdf;
        found++;
    }
    return (int)found;
}
