/* SPDX-License-Identifier: MIT */
/* bh's verbs on network interfaces: network-attach, network-detach, network-list; see bh.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "tools/bh/bh.h"

#define VIFS_MAX 256u

/* The first number that no interface of the domain has. */
static int free_number(struct handles *h, uint32_t domid, unsigned *devid, struct err *e)
{
    for (unsigned i = 0; i < VIFS_MAX; i++) {
        char *there = store_read(h, "/local/domain/%u/device/vif/%u/backend", domid, i);
        free(there);
        if (!there) {
            *devid = i;
            return 0;
        }
    }
    return err_set(e, "domain %u has %u interfaces already", domid, VIFS_MAX);
}

int verb_network_attach(struct handles *h, int argc, char **argv)
{
    char spec[512] = "";
    struct vif_spec vif;
    uint32_t domid, backend;
    unsigned devid = 0;
    struct err e;
    for (int i = 2; i < argc; i++) { /* xl takes the fields as one argument or as several */
        if (strlen(spec) + strlen(argv[i]) + 2 > sizeof(spec))
            return complain("network-attach: the specification is too long");
        if (spec[0])
            strcat(spec, ",");
        strcat(spec, argv[i]);
    }
    if (need_domain(h, argv[1], &domid))
        return 1;
    if (vif_parse(spec, &vif, &e) || vif_complete(&vif, &e) || backend_find(h, vif.backend, &backend, &e) ||
        free_number(h, domid, &devid, &e) || store_add_vif(h, domid, devid, &vif, backend, &e)) {
        err_prefix(&e, "network-attach");
        return complain_err(&e);
    }
    char *back = store_backend(h, "vif", domid, devid);
    int rc = back && !store_wait_backend(h, back, BACKEND_WAIT_MS, &e) ? 0 : complain_err(&e);
    struct err ignored;
    if (rc)
        store_remove_device(h, "vif", domid, devid, 1000, true, &ignored);
    free(back);
    return rc;
}

/* The interface named by its number or its address. */
static int find_vif(struct handles *h, uint32_t domid, const char *name, uint32_t *devid)
{
    char *rest;
    *devid = (uint32_t)strtoul(name, &rest, 10);
    if (*name && !*rest)
        return 0;
    for (*devid = 0; *devid < VIFS_MAX; ++*devid) {
        char *mac = store_read(h, "/local/domain/%u/device/vif/%u/mac", domid, *devid);
        bool it = mac && !strcasecmp(mac, name);
        free(mac);
        if (it)
            return 0;
    }
    return complain("network-detach: '%s' is neither a number nor the address of an interface", name);
}

int verb_network_detach(struct handles *h, int argc, char **argv)
{
    uint32_t domid, devid = 0;
    struct err e;
    bool force = argc > 3;
    if (force && strcmp(argv[3], "--force"))
        return usage("network-detach", "unexpected '%s'", argv[3]);
    if (need_domain(h, argv[1], &domid) || find_vif(h, domid, argv[2], &devid))
        return 1;
    return store_remove_device(h, "vif", domid, devid, 10000, force, &e) ? complain_err(&e) : 0;
}

static long node(struct handles *h, uint32_t domid, const char *id, const char *name)
{
    unsigned long n;
    if (!store_number(h, &n, "/local/domain/%u/device/vif/%s/%s", domid, id, name) ||
        !store_number(h, &n, "/local/domain/%u/device/vif/%s/queue-0/%s", domid, id, name))
        return (long)n;
    return -1;
}

static int list_vif(struct handles *h, uint32_t domid, const char *id)
{
    char *back = store_read(h, "/local/domain/%u/device/vif/%s/backend", domid, id);
    char *mac = store_read(h, "/local/domain/%u/device/vif/%s/mac", domid, id);
    long port = node(h, domid, id, "event-channel");
    if (port < 0)
        port = node(h, domid, id, "event-channel-tx");
    printf("%-3s %-2ld %-17s %6ld %5ld %6ld %5ld/%-11ld %-30s\n", id, node(h, domid, id, "backend-id"), mac ? mac : "",
           node(h, domid, id, "handle"), node(h, domid, id, "state"), port, node(h, domid, id, "tx-ring-ref"),
           node(h, domid, id, "rx-ring-ref"), back ? back : "");
    free(mac);
    free(back);
    return 0;
}

/* --- statistics: the backend is asked by "?" in its node, and answers there (docs/network.md) --- */

#define STATS_WAIT_MS 1000u

static char *ask_stats(struct handles *h, const char *back)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/statistics", back);
    if (store_write(h, path, "?"))
        return NULL;
    for (unsigned ms = 0; ms < STATS_WAIT_MS; ms += 5) {
        char *text = store_read(h, "%s", path);
        if (text && strcmp(text, "?"))
            return text;
        free(text);
        usleep(5000);
    }
    return NULL;
}

/* One figure of the answer, which comes from a domain that nobody need believe. */
static void print_figure(const char *text, const char *name, int width)
{
    size_t n = strlen(name);
    for (const char *p = text; (p = strstr(p, name)); p += n)
        if ((p == text || p[-1] == ' ') && p[n] == '=') {
            int digits = (int)strspn(p + n + 1, "0123456789");
            if (digits && digits <= 20) {
                printf(" %*.*s", width, digits, p + n + 1);
                return;
            }
        }
    printf(" %*s", width, "-");
}

static int stat_vif(struct handles *h, uint32_t domid, const char *id)
{
    static const struct { const char *name; int width; } columns[] = {
        {"incarnation", 5}, {"tx_packets", 10}, {"tx_bytes", 14}, {"tx_errors", 7}, {"tx_dropped", 7},
        {"rx_packets", 10}, {"rx_bytes", 14}, {"rx_errors", 7}, {"rx_dropped", 7}};
    char *back = store_read(h, "/local/domain/%u/device/vif/%s/backend", domid, id);
    char *text = back ? ask_stats(h, back) : NULL, name[32];
    snprintf(name, sizeof(name), "vif%u.%s", domid, id);
    free(back);
    if (!text)
        return complain("network-stats: %s: its backend does not answer", name);
    printf("%-10s", name);
    for (unsigned i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        print_figure(text, columns[i].name, columns[i].width);
    putchar('\n');
    free(text);
    return 0;
}

int verb_network_stats(struct handles *h, int argc, char **argv)
{
    printf("%-10s %5s %10s %14s %7s %7s %10s %14s %7s %7s\n", "Name", "Incar", "TxPackets", "TxBytes", "TxErr", "TxDrop", "RxPackets",
           "RxBytes", "RxErr", "RxDrop");
    return each_device(h, argc, argv, "vif", stat_vif);
}

int verb_network_list(struct handles *h, int argc, char **argv)
{
    printf("%-3s %-2s %-17s %6s %5s %6s %5s/%-11s %-30s\n", "Idx", "BE", "Mac Addr.", "handle", "state", "evt-ch", "tx-",
           "rx-ring-ref", "BE-path");
    return each_device(h, argc, argv, "vif", list_vif);
}
