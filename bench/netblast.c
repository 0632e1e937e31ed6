/* SPDX-License-Identifier: MIT */
/*
 * netblast INTERFACE MAC [SECONDS]: how many packets a Linux guest gets out of a network interface, towards that Ethernet address. The cases are
 * those of the net domain's bench=1 (driverdoms/net/bench.c): frames of 64 and 1514 bytes, and TCP packets of 44 segments of 1448 bytes
 * for the other side to cut (GSO); a tenth of a second each. What carries them is of no protocol that anybody answers.
 * One line a case: "bench: NAME BYTES B: N packets/s, X MB/s, N packets in T us, N errors, busy T us" (busy: what load.h says the first CPU
 * worked). Before a case a line "bench: next", and around it a quarter of a second of rest: then whoever
 * watches reads the domains' CPU times. The first case, "rest", sends nothing.
 * With SECONDS: frames of 1514 bytes for so long; each tenth of a second "flow: T ms, N done, N errors" (all since the start), then "flow: done".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "bench/far.h"
#include "bench/load.h"

enum { RUN_US = 100000, REST_US = 250000, TELL_US = 100000, MSS = 1448, HEADERS = 54, SEGMENTS = 44, BIG = HEADERS + SEGMENTS * MSS };

static const struct bench_case { const char *name; unsigned bytes; bool gso; } cases[] = {
    {"small", 64, false}, {"full", 1514, false}, {"gso", BIG, true}};

static int wire;
static struct { struct virtio_net_hdr head; uint8_t frame[BIG]; } __attribute__((packed)) packet;

static void prepare(const struct bench_case *c)
{
    static const uint8_t ip_tcp[] = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 9, 9, 1, 10, 9, 9, 2, 0, 9, 0, 9,
                                     0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff};
    memset(&packet.head, 0, sizeof(packet.head));
    packet.frame[12] = c->gso ? 0x08 : 0x88;
    packet.frame[13] = c->gso ? 0x00 : 0xb5;
    if (!c->gso)
        return;
    memcpy(packet.frame + 14, ip_tcp, sizeof(ip_tcp));
    packet.frame[16] = (uint8_t)((BIG - 14) >> 8);
    packet.frame[17] = (uint8_t)(BIG - 14);
    packet.head = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                          .hdr_len = HEADERS, .gso_size = MSS, .csum_start = 34, .csum_offset = 16};
}

/* What the machine does when nobody sends: a case of the same length, for whoever wants to take it off the others. */
static void rest(void)
{
    usleep(RUN_US);
    tell_far();
    printf("bench: rest 0 B: 0 packets/s, 0.0 MB/s, 1 packets in %d us, 0 errors\n", RUN_US);
    fflush(stdout);
}

static void run(const struct bench_case *c)
{
    uint64_t idle = idle_ns(), start = now_us(), packets = 0, errors = 0, us;
    size_t bytes = sizeof(packet.head) + c->bytes;
    int queued = 1;
    while (now_us() - start < RUN_US) {
        if (send(wire, &packet, bytes, 0) == (ssize_t)bytes)
            packets++;
        else if (errno != ENOBUFS && errno != EINTR)
            errors++;
    }
    while (ioctl(wire, SIOCOUTQ, &queued) == 0 && queued && now_us() - start < 10 * RUN_US)
        usleep(100);
    us = now_us() - start;
    idle = idle_ns() - idle;
    errors += queued != 0;
    tell_far();
    printf("bench: %s %u B: %llu packets/s, %.1f MB/s, %llu packets in %llu us, %llu errors, busy %llu us\n", c->name, c->bytes,
           (unsigned long long)(packets * 1000000 / us), (double)packets * c->bytes / (double)us, (unsigned long long)packets,
           (unsigned long long)us, (unsigned long long)errors, (unsigned long long)(us - idle / 1000));
    fflush(stdout);
}

static void flow(uint64_t seconds)
{
    const struct bench_case *c = &cases[1];
    uint64_t start = now_us(), told = start, packets = 0, errors = 0, now = start;
    size_t bytes = sizeof(packet.head) + c->bytes;
    prepare(c);
    while (now - start < seconds * 1000000) {
        if (send(wire, &packet, bytes, 0) == (ssize_t)bytes)
            packets++;
        else if (errno != ENOBUFS && errno != EINTR)
            errors++;
        now = now_us();
        if (now - told < TELL_US)
            continue;
        told = now;
        tell_flow(now - start, packets, errors);
    }
    printf("flow: done\n");
}

static void open_wire(const char *interface, const char *mac)
{
    int one = 1, bytes = 4 << 20;
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
    unsigned m[6];
    struct ifreq own = {0};
    if (sscanf(mac, "%x:%x:%x:%x:%x:%x", &m[0], &m[1], &m[2], &m[3], &m[4], &m[5]) != 6)
        die("address");
    for (unsigned i = 0; i < 6; i++)
        packet.frame[i] = (uint8_t)m[i];
    snprintf(own.ifr_name, sizeof(own.ifr_name), "%s", interface);
    wire = socket(AF_PACKET, SOCK_RAW, 0);
    if (wire < 0 || ioctl(wire, SIOCGIFHWADDR, &own) || setsockopt(wire, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
        setsockopt(wire, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) || bind(wire, (struct sockaddr *)&to, sizeof(to)))
        die(interface);
    memcpy(packet.frame + 6, own.ifr_hwaddr.sa_data, 6);
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: netblast INTERFACE MAC [SECONDS]\n");
        return 2;
    }
    open_wire(argv[1], argv[2]);
    if (argc == 4) {
        flow(strtoul(argv[3], NULL, 10));
        return 0;
    }
    for (unsigned i = 0; i <= sizeof(cases) / sizeof(cases[0]); i++) {
        tell_far();
        printf("bench: next\n");
        fflush(stdout);
        usleep(REST_US);
        if (i == 0) {
            rest();
        } else {
            prepare(&cases[i - 1]);
            run(&cases[i - 1]);
        }
        usleep(REST_US);
    }
    return 0;
}
