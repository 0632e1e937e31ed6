/* SPDX-License-Identifier: MIT */
/* pcid: help, socket, requests; see pcid.h. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backends/core/host_linux.h"
#include "tools/lib/daemon.h"
#include "tools/lib/pcidc.h"
#include "tools/pcid/pcid.h"

#define LOG_FILE "/var/log/bulkhead/pcid.log"
#define MAX_LINE 1024u

static const char help[] =
    "usage: pcid [--foreground] [--log FILE]\n"
    "The PCI service of a Bulkhead machine's control domain: finds the machine's PCI functions, resets them, gives them to\n"
    "driver domains and serves their configuration space (pciif).\n\n"
    "  -f, --foreground  stay in the foreground and log to standard error\n"
    "  --log FILE        log file (" LOG_FILE ")\n"
    "  -h, --help        this text\n\n"
    "Socket " PCID_SOCKET ", one request a line, one answer line \"ok ...\" or \"error: ...\":\n"
    "  list | assign DOMID SBDF[,unsafe][,vfs=N] | release DOMID [SBDF]\n";

static struct handles h;

/* --- requests --- */

static void answer_list(struct evbuffer *out)
{
    char name[16];
    evbuffer_add_printf(out, "ok");
    for (unsigned i = 0; i < nr_fns; i++)
        if (fns[i].owner == NO_OWNER && !fns[i].gone && config_is_endpoint(&fns[i])) {
            sbdf_format(fns[i].sbdf, name);
            evbuffer_add_printf(out, " %s", name);
        }
    evbuffer_add_printf(out, "\n");
}

static int parse_domid(const char *text, uint32_t *domid, struct err *e)
{
    char *rest;
    unsigned long n = strtoul(text, &rest, 10);
    if (text[0] < '0' || text[0] > '9' || *rest || n >= DOMID_FIRST_RESERVED)
        return err_set(e, "DOMID: '%s' is not a domain id", text);
    *domid = (uint32_t)n;
    return 0;
}

/* word[0..n-1]; 0 or -1. */
static int carry_out(char **word, unsigned n, struct err *e)
{
    uint32_t domid = 0;
    struct pci_spec spec;
    if (n < 2 || n > 3 || (strcmp(word[0], "assign") && strcmp(word[0], "release")))
        return err_set(e, "unknown request; list | assign DOMID SBDF[,unsafe][,vfs=N] | release DOMID [SBDF]");
    if (parse_domid(word[1], &domid, e) || (n > 2 && pci_parse(word[2], &spec, e)))
        return -1;
    if (word[0][0] == 'r')
        return fn_release(domid, n > 2 ? &spec.sbdf : NULL, e);
    return n < 3 ? err_set(e, "assign: SBDF is missing") : fn_assign(domid, &spec, e);
}

static void request(char *line, struct evbuffer *out)
{
    char *word[5], *save;
    unsigned n = 0;
    struct err e;
    for (char *p = strtok_r(line, " \t\r", &save); p && n < 5; p = strtok_r(NULL, " \t\r", &save))
        word[n++] = p;
    if (n == 1 && !strcmp(word[0], "list")) {
        answer_list(out);
    } else if (carry_out(word, n, &e)) {
        host_log("refused: %s", e.text);
        evbuffer_add_printf(out, "error: %s\n", e.text);
    } else {
        evbuffer_add_printf(out, "ok\n");
    }
}

static void client_read(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    char *line;
    while ((line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF))) {
        request(line, bufferevent_get_output(bev));
        free(line);
    }
    if (evbuffer_get_length(in) > MAX_LINE)
        bufferevent_free(bev);
}

static void client_event(struct bufferevent *bev, short what, void *arg)
{
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(bev);
}

static void client_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len, void *arg)
{
    struct bufferevent *bev = bufferevent_socket_new(host_linux_base(), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) {
        close(fd);
        return;
    }
    bufferevent_setcb(bev, client_read, NULL, client_event, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

/* --- start --- */

static int start(struct event_base *base)
{
    struct err e;
    if (host_linux_start(base))
        return -1;
    if (handles_open(&h, &e) || handles_store(&h, &e) || config_open(&h, &e)) {
        host_log("%s", e.text);
        return -1;
    }
    if (sriov_start(&h) || assign_start(&h)) {
        host_log("cannot watch xenstore: %s", strerror(errno));
        return -1;
    }
    mkdir("/run/bulkhead", 0755);
    int fd = unix_listen(PCID_SOCKET);
    if (fd < 0) {
        host_log("cannot listen at %s: %s", PCID_SOCKET, strerror(errno));
        return -1;
    }
    return evconnlistener_new(base, client_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 0, fd) ? 0 : -1;
}

int main(int argc, char **argv)
{
    static const struct daemon pcid = {.name = "pcid", .log = LOG_FILE, .help = help, .start = start};
    return daemon_main(&pcid, argc, argv);
}
