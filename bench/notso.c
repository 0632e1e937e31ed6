/* SPDX-License-Identifier: MIT */
/*
 * notso INTERFACE: Linux cuts large TCP packets itself before this network card gets them. QEMU before 8.0 cuts what a card of its
 * own is to segment into IP fragments, not into TCP segments, where its network does not take large packets (a hub): nothing that a
 * real card would send. Whoever measures what comes from a wire makes the sending card's driver do without. Exit status 1 and a word why not.
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    struct ethtool_value off = {.cmd = ETHTOOL_STSO, .data = 0};
    struct ifreq request = {.ifr_data = (void *)&off};
    if (argc != 2) {
        fprintf(stderr, "usage: notso INTERFACE\n");
        return 2;
    }
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", argv[1]);
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0 || ioctl(s, SIOCETHTOOL, &request)) {
        perror(argv[1]);
        return 1;
    }
    return 0;
}
