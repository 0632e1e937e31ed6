/* SPDX-License-Identifier: MIT */
/* xen_version (xen/version.h) and console_io (xen/xen.h). We speak the ABI of the release whose headers we are built with. */
#include <xen/version.h>
#include "lib/machine.h"
#include "call/call.h"
#include "lib/string.h"

#define ABI_MAJOR 4
#define ABI_MINOR 17
#define CONSOLE_CHUNK 64u /* bytes at a time, then others may have the CPU */

static uint32_t features(const struct domain *d)
{
    uint32_t f = 1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap | 1u << XENFEAT_supervisor_mode_kernel |
                 1u << XENFEAT_hvm_callback_vector | 1u << XENFEAT_hvm_safe_pvclock | 1u << XENFEAT_linux_rsdp_unrestricted |
                 1u << XENFEAT_not_direct_mapped;
    return d == domain0 ? f | 1u << XENFEAT_dom0 : f;
}

static long get_features(struct vcpu *v, uint64_t arg)
{
    struct xen_feature_info op;
    if (call_get(v, &op, arg)) return -EFAULT;
    if (op.submap_idx >= XENFEAT_NR_SUBMAPS) return -EINVAL;
    op.submap = features(v->dom);
    return call_put(v, arg, &op);
}

static long put_text(struct vcpu *v, uint64_t arg, const char *text, size_t size)
{
    char buf[1024];
    memset(buf, 0, size);
    strlcpy(buf, text, size);
    return guest_write(&v->hv, arg, buf, size) ? -EFAULT : 0;
}

static long compile_info(struct vcpu *v, uint64_t arg)
{
    struct xen_compile_info op = {.compile_date = ""};
    strlcpy(op.compiler, "gcc " __VERSION__, sizeof(op.compiler));
    strlcpy(op.compile_by, "bulkhead", sizeof(op.compile_by));
    strlcpy(op.compile_domain, "local", sizeof(op.compile_domain));
    strlcpy(op.compile_date, "reproducible", sizeof(op.compile_date));
    return call_put(v, arg, &op);
}

long call_version(struct vcpu *v, const struct call_args *args)
{
    uint64_t arg = args->a[1];
    struct xen_platform_parameters platform = {.virt_start = 0};
    bool trusted = domain_has_role(v->dom, BH_ROLE_CONTROL);
    switch (args->a[0]) {
    case XENVER_version: return ABI_MAJOR << 16 | ABI_MINOR;
    case XENVER_extraversion: return put_text(v, arg, ".bulkhead", sizeof(xen_extraversion_t));
    case XENVER_compile_info: return compile_info(v, arg);
    case XENVER_capabilities: return put_text(v, arg, "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64", sizeof(xen_capabilities_info_t));
    case XENVER_changeset: return put_text(v, arg, "unavailable", sizeof(xen_changeset_info_t));
    case XENVER_platform_parameters: return call_put(v, arg, &platform);
    case XENVER_get_features: return get_features(v, arg);
    case XENVER_pagesize: return arg ? -EINVAL : (long)PAGE_SIZE;
    case XENVER_guest_handle: return call_put(v, arg, &v->dom->handle);
    case XENVER_commandline: return put_text(v, arg, trusted ? machine.cmdline : "<denied>", sizeof(xen_commandline_t));
    case XENVER_build_id: return -ENODATA;
    default: return -ENOSYS;
    }
}

/* ---- console_io: RDI = CONSOLEIO_*, RSI = count, RDX = buffer ---- */

static long console_out(struct vcpu *v, uint32_t count, uint64_t buffer)
{
    char chunk[CONSOLE_CHUNK];
    while (count) {
        unsigned n = MIN(count, CONSOLE_CHUNK);
        if (guest_read(&v->hv, chunk, buffer, n)) return -EFAULT;
        unsigned took = console_write(v->dom, chunk, n);
        buffer += took;
        count -= took;
        if (took < n) sched_yield(&v->sched); /* the port is slow: once more when others have run */
        if (count && (took < n || call_preempt())) return call_restart(v, CONSOLEIO_write, count, buffer);
    }
    return 0;
}

static long console_in(struct vcpu *v, uint32_t count, uint64_t buffer)
{
    char chunk[CONSOLE_CHUNK];
    if (!domain_has_role(v->dom, BH_ROLE_CONSOLE)) return -EPERM;
    int n = console_read(chunk, MIN(count, CONSOLE_CHUNK));
    return guest_write(&v->hv, buffer, chunk, (size_t)n) ? -EFAULT : n;
}

long call_console(struct vcpu *v, const struct call_args *args)
{
    uint32_t count = (uint32_t)args->a[1];
    if ((int32_t)count < 0) return -EINVAL;
    switch (args->a[0]) {
    case CONSOLEIO_write: return console_out(v, count, args->a[2]);
    case CONSOLEIO_read: return console_in(v, count, args->a[2]);
    default: return -ENOSYS;
    }
}
