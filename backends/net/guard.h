/* SPDX-License-Identifier: MIT */
/*
 * From which IP addresses an interface may send (the backend's node `ip`, addresses separated by blanks, as xl's ip=). Pure.
 *
 * With a list, nothing passes but
 *  - IPv4 (RFC 791) and IPv6 (RFC 8200) from an address of the list; from the link-local address made of the interface's own MAC
 *    (RFC 4291 appendix A) if the list has an IPv6 address;
 *  - ARP (RFC 826) that tells the own MAC and an address of the list, or asks without telling one (RFC 5227);
 *  - what a host must say before it has an address: DHCP (RFC 2131) from 0.0.0.0; from :: neighbour solicitations for an address of
 *    the list (RFC 4862) and multicast listener reports (RFC 3810).
 * Of ICMPv6 (RFC 4861) neighbour advertisements pass only for addresses of the list, router advertisements and redirects never.
 * A packet whose headers lie or are cut short does not pass.
 */
#ifndef BACKENDS_GUARD_H
#define BACKENDS_GUARD_H
#include <stdbool.h>
#include <stdint.h>

#define GUARD_MAX 8u /* addresses */

struct guard { unsigned n; struct { uint8_t family, addr[16]; } allowed[GUARD_MAX]; }; /* family 4 or 6 */

/* At most GUARD_MAX addresses; false: one of them is none. An empty text is an empty list: everything passes. */
bool guard_parse(struct guard *g, const char *text);
/* `frame` of `len` bytes, untagged, from the interface with this MAC address, which is its source. */
bool guard_allows(const struct guard *g, const uint8_t mac[6], const uint8_t *frame, uint32_t len);
#endif
