/* SPDX-License-Identifier: MIT */
/* A network front for unit tests: see fake_netfront.h. */
#define _GNU_SOURCE
#include "fake_netfront.h"
#include "fake_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xen/io/xenbus.h>

volatile struct netif_tx_sring *nf_tx(const struct netfront *f)
{
    return fake_page(f->tx_page);
}

volatile struct netif_rx_sring *nf_rx(const struct netfront *f)
{
    return fake_page(f->rx_page);
}

static void set(const char *dir, const char *node, const char *value)
{
    char p[120];
    snprintf(p, sizeof(p), "%s/%s", dir, node);
    fake_set(p, "%s", value);
}

static void set_number(const char *dir, const char *node, unsigned value)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", value);
    set(dir, node, text);
}

struct netfront *nf_new(uint16_t dom, uint8_t mac_end)
{
    struct netfront *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char mac[20];
    if (f == MAP_FAILED)
        abort();
    f->dom = dom;
    memcpy(f->mac, "\x00\x16\x3e\x00\x00", 5);
    f->mac[5] = mac_end;
    snprintf(mac, sizeof(mac), "00:16:3e:00:00:%02x", mac_end);
    snprintf(f->path, sizeof(f->path), "/local/domain/%u/device/vif/0", dom);
    snprintf(f->back, sizeof(f->back), "/local/domain/%u/backend/vif/%u/0", FAKE_SELF, dom);
    for (unsigned i = 0; i < NF_BUFFERS; i++) {
        f->tx_buf[i] = fake_new_page();
        f->tx_buf_ref[i] = fake_grant(dom, f->tx_buf[i], true);
        f->rx_buf[i] = fake_new_page();
        f->rx_buf_ref[i] = fake_grant(dom, f->rx_buf[i], false);
    }
    set(f->path, "state", "1");
    set_number(f->back, "frontend-id", dom);
    set(f->back, "online", "1");
    set(f->back, "mac", mac);
    set(f->back, "frontend", f->path);
    set(f->back, "state", "1");
    return f;
}

void nf_state(struct netfront *f, int state)
{
    set_number(f->path, "state", (unsigned)state);
}

int nf_back_state(const struct netfront *f)
{
    char p[120];
    snprintf(p, sizeof(p), "%s/state", f->back);
    const char *v = fake_get(p);
    return v ? atoi(v) : 0;
}

static void give_buffers(struct netfront *f)
{
    uint32_t old = f->rx_prod;
    while (f->rx_prod - f->rx_cons < NF_BUFFERS) {
        volatile struct netif_rx_request *r = &nf_rx(f)->ring[f->rx_prod % 256].req;
        r->id = (uint16_t)(f->rx_prod % NF_BUFFERS);
        r->gref = f->rx_buf_ref[f->rx_prod++ % NF_BUFFERS];
    }
    nf_rx(f)->req_prod = f->rx_prod;
    if (f->rx_prod - nf_rx(f)->req_event < f->rx_prod - old)
        fake->to_back[f->rx_port] = true;
}

void nf_publish(struct netfront *f, bool split)
{
    static const char *const yes[] = {"request-rx-copy", "feature-rx-notify", "feature-sg", "feature-gso-tcpv4",
                                      "feature-gso-tcpv6", "feature-ipv6-csum-offload"};
    if (!f->tx_ref) {
        f->tx_page = fake_new_page();
        f->rx_page = fake_new_page();
        f->tx_ref = fake_grant(f->dom, f->tx_page, false);
        f->rx_ref = fake_grant(f->dom, f->rx_page, false);
    }
    memset(fake_page(f->tx_page), 0, 4096);
    memset(fake_page(f->rx_page), 0, 4096);
    f->tx_port = f->dom * 2u;
    f->rx_port = f->dom * 2u + split;
    f->tx_prod = f->tx_cons = f->rx_prod = f->rx_cons = 0;
    memset(f->tx_busy, 0, sizeof(f->tx_busy));
    nf_tx(f)->req_event = nf_rx(f)->req_event = nf_tx(f)->rsp_event = nf_rx(f)->rsp_event = 1;
    for (unsigned i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        set(f->path, yes[i], "1");
    set_number(f->path, "tx-ring-ref", f->tx_ref);
    set_number(f->path, "rx-ring-ref", f->rx_ref);
    if (split) {
        set_number(f->path, "event-channel-tx", f->tx_port);
        set_number(f->path, "event-channel-rx", f->rx_port);
    } else {
        set_number(f->path, "event-channel", f->tx_port);
    }
    give_buffers(f);
    nf_state(f, XenbusStateConnected);
}

/* --- sending --- */

unsigned nf_free(const struct netfront *f)
{
    return NF_BUFFERS - (f->tx_prod - f->tx_cons);
}

struct netif_tx_request *nf_slot(struct netfront *f, uint32_t ahead, unsigned bytes)
{
    uint32_t at = f->tx_prod + ahead;
    struct netif_tx_request *r = (struct netif_tx_request *)&nf_tx(f)->ring[at % 256].req;
    f->tx_busy[at % NF_BUFFERS] = true;
    f->tx_extra[at % NF_BUFFERS] = false;
    *r = (struct netif_tx_request){.gref = f->tx_buf_ref[at % NF_BUFFERS], .id = (uint16_t)(at % NF_BUFFERS),
                                   .size = (uint16_t)bytes};
    return r;
}

void nf_push(struct netfront *f, unsigned slots)
{
    uint32_t old = f->tx_prod;
    f->tx_prod += slots;
    nf_tx(f)->req_prod = f->tx_prod;
    if (f->tx_prod - nf_tx(f)->req_event < f->tx_prod - old)
        fake->to_back[f->tx_port] = true;
}

bool nf_send(struct netfront *f, const void *data, unsigned len, unsigned flags, unsigned gso, unsigned mss)
{
    unsigned pages = (len + 4095) / 4096 + (f->head ? 2 : 0), n = 0, bytes;
    if (nf_free(f) < pages + (gso != 0))
        return false;
    struct netif_tx_request *r = NULL;
    for (unsigned at = 0; at < len; at += bytes) {
        unsigned room = !f->head || at > f->head ? 4096 : at ? 2096 : f->head;
        bytes = len - at < room ? len - at : room;
        unsigned offset = f->head && at > f->head ? 0 : f->head && at ? 4096 - room : (4096 - bytes) / 2;
        if (r)
            r->flags |= NETTXF_more_data;
        r = nf_slot(f, n, at ? bytes : len);
        r->offset = (uint16_t)offset;
        memcpy((uint8_t *)fake_page(f->tx_buf[(f->tx_prod + n) % NF_BUFFERS]) + offset, (const uint8_t *)data + at, bytes);
        if (at == 0)
            r->flags = (uint16_t)(flags | (gso ? NETTXF_extra_info : 0));
        if (at == 0 && gso) {
            n++;
            struct netif_extra_info *x = (void *)nf_slot(f, n, 0);
            f->tx_extra[(f->tx_prod + n) % NF_BUFFERS] = true;
            memset(x, 0, 12);
            x->type = XEN_NETIF_EXTRA_TYPE_GSO;
            x->u.gso.type = (uint8_t)gso;
            x->u.gso.size = (uint16_t)mss;
        }
        n++;
    }
    nf_push(f, n);
    return true;
}

void nf_collect(struct netfront *f)
{
    uint32_t prod = nf_tx(f)->rsp_prod;
    if (prod - f->tx_cons > f->tx_prod - f->tx_cons) {
        f->wrong++;
        return;
    }
    for (; f->tx_cons != prod; f->tx_cons++) {
        const volatile struct netif_tx_response *a = &nf_tx(f)->ring[f->tx_cons % 256].rsp;
        unsigned at = f->tx_cons % NF_BUFFERS;
        if (f->tx_extra[at] != (a->status == NETIF_RSP_NULL) || (!f->tx_extra[at] && a->id != at) || !f->tx_busy[at])
            f->wrong++;
        f->tx_busy[at] = false;
        f->tx_ok += a->status == NETIF_RSP_OKAY;
        f->tx_error += a->status == NETIF_RSP_ERROR;
        f->tx_dropped += a->status == NETIF_RSP_DROPPED;
    }
    nf_tx(f)->rsp_event = prod + 1;
}

/* --- receiving --- */

static const volatile struct netif_rx_response *next(struct netfront *f, uint32_t prod)
{
    if (f->rx_cons == prod) {
        f->wrong++; /* half a packet */
        return NULL;
    }
    return &nf_rx(f)->ring[f->rx_cons++ % 256].rsp;
}

static void receive_one(struct netfront *f, uint32_t prod)
{
    bool first = true, more = true;
    f->last_len = 0;
    memset(&f->last_gso, 0, sizeof(f->last_gso));
    while (more) {
        unsigned at = f->rx_cons % NF_BUFFERS;
        const volatile struct netif_rx_response *a = next(f, prod);
        if (!a)
            return;
        if (a->id != at || a->offset + (a->status > 0 ? a->status : 0) > 4096)
            f->wrong++;
        if (a->status <= 0) {
            f->rx_error++;
            return;
        }
        if (first)
            f->last_flags = a->flags;
        memcpy(f->last + f->last_len, (uint8_t *)fake_page(f->rx_buf[at]) + a->offset, (size_t)a->status);
        f->last_len += (unsigned)a->status;
        more = a->flags & NETRXF_more_data;
        if (first && (a->flags & NETRXF_extra_info)) {
            const volatile void *x = next(f, prod);
            if (x)
                memcpy(&f->last_gso, (const void *)x, sizeof(f->last_gso));
        }
        first = false;
    }
    f->packets++;
    if (f->received)
        f->received(f);
}

void nf_receive(struct netfront *f)
{
    uint32_t prod = nf_rx(f)->rsp_prod;
    if (prod - f->rx_cons > f->rx_prod - f->rx_cons) {
        f->wrong++;
        return;
    }
    while (f->rx_cons != prod)
        receive_one(f, prod);
    nf_rx(f)->rsp_event = prod + 1;
    give_buffers(f);
}
