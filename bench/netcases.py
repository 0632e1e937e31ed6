# SPDX-License-Identifier: MIT
"""What measurements of the network have in common: boots in which a guest, the net domain itself or Linux on the bare machine
sends packets (bench/netblast.c) and TCP streams (bench/netstream.c), and what their lines say.

    cases = run("net-wire", PACKETS, {"guest": TO_WIRE})       # {(name, bytes): (packets/s, MB/s, packets, {domain: ns a packet}, delivered, us)}
    cost, rate = stream(cases, "to")                     # {domain: ns a MiB}, Mbit/s

With a second card on the same wire (`link=True`) whoever is not the first guest is behind that: over Bulkhead in a net domain of its own ("wire"), over Xen in
the control domain too, in a bridge of its own. That card does not segment (bench/notso.c says why). A domain "itself" is the kernel that
sent, "far" what of it is known to be the other end's.
"""
import shutil

import machine
import xendriver

GUEST = """name = "{name}"
type = "pvh"
kernel = "{top}/build/kernels/guest/vmlinux"
ramdisk = "{top}/build/{ramdisk}"
extra = "console=hvc0 loglevel=4 {extra}"
memory = 256
vif = ["{vif}mac=00:16:3e:00:00:0{number}"]
"""
PACKETS = 3  # cases, of packets and of streams
STREAMS = 4
TO_WIRE = "bh.net=10.8.8.1/24 bh.work=blast bh.to=52:55:0a:00:02:02"  # of nobody
SENDER = "bh.net=10.8.8.1/24 bh.work=blast bh.peer=10.8.8.2 bh.to=00:16:3e:00:00:02"
RECEIVER = "bh.net=10.8.8.2/24 bh.work=iperf3d"
CARD = ("--nic", "hubport,hubid=0")


def parse(name, out, number):
    """The cases of bench/native.sh's lines; there have to be so many."""
    pattern = r"bench: (\S+) (\d+) B: (\d+) packets/s, ([0-9.]+) MB/s, (\d+) packets in (\d+) us, 0 errors(?:, busy (\d+) us)?"
    found = {}
    for match, used in machine.cases(out, pattern):
        case, size, rate, speed, packets, us, busy = match.groups("0")
        delivered = used.pop("packets", int(packets))
        cost = {domain: ns / int(packets) for domain, ns in used.items()}
        cost["itself"] = 1000 * int(busy) / int(packets)
        found[case, int(size)] = int(rate), float(speed), int(packets), cost, delivered, int(us)
    if len(found) != number:
        raise machine.Failure(f"{name}: {len(found)} cases, not {number}: {sorted(found)}")
    return found


def furnish(path, guests, net_extra="", xen=False, link=False):
    """Put the domains' configurations into the room of a boot."""
    if not xen:
        (path / "domains/10-net.cfg").write_text(machine.NET_CFG.replace("on_crash", f'extra = "{net_extra}"\non_crash', 1))
        if link:
            text = machine.NET_CFG.replace('"net"', '"wire"', 1).replace("00:10.0", "00:11.0").replace("on_crash", 'extra = "tso=0"\non_crash', 1)
            (path / "domains/11-wire.cfg").write_text(text)
    # Over two cards and Xen's control domain iperf3's control messages get lost (docs/network.md): packets only.
    ramdisk = "guest.cpio" if xen and link else "guest-iperf3.cpio"
    for place, (guest, extra) in enumerate(guests.items(), 1):
        there = link and place > 1
        vif = ("bridge=xenbr1," if there else "") if xen else "backend=wire," if there else "backend=net,"
        (path / f"domains/20-{guest}.cfg").write_text(GUEST.format(top=machine.TOP, name=guest, extra=extra, number=place, vif=vif, ramdisk=ramdisk))


def run(name, number, guests, net_extra="", xen=False, link=False):
    """The cases in one boot; `guests`: {name: extra}, the first one sends, or the net domain itself if there is none. `xen`: over Xen's
    control domain; domains are then numbers, "0" the control domain and the guests "1" and "2"."""
    path = machine.room(name)
    furnish(path, guests, net_extra, xen, link)
    (path / "files/who").write_text(f"{next(iter(guests), 'net')}\n")
    if xen:
        shutil.copy(machine.BUILD / "bench/domtimes", path / "files/domtimes")
        if link:
            shutil.copy(machine.BUILD / "guest/notso", path / "files/notso")
    peer = ["--hypervisor", "xen"] if xen else []
    return parse(name, machine.boot(path, machine.TOP / "bench/native.sh", *CARD * (2 if link else 1), *peer), number)


def xen_driver(name, number, guests):
    """The same over Xen with a Linux driver domain that has the card: "0" the control domain, "1" the driver domain, then the guests."""
    path = machine.room(name)
    furnish(path, guests)
    xendriver.bring_driver(path)
    (path / "domains/10-net.cfg").write_text(xendriver.NET_CFG)
    (path / "files/who").write_text(f"{next(iter(guests))}\n")
    shutil.copy(machine.BUILD / "bench/domtimes", path / "files/domtimes")
    return parse(name, machine.boot(path, machine.TOP / "bench/native.sh", *CARD, *xendriver.BOARD), number)


def bare(name, number, extra, cards=1):
    """The cases in Linux on the bare machine, with its own driver of the card."""
    return parse(name, machine.bare(machine.room(name), "--control-initramfs", machine.BUILD / "bench/bare.cpio", *CARD * cards,
                                    "--kernel-append", f"loglevel=4 bh.end=poweroff {extra}"), number)


def stream(cases, name):
    """What a MiB of a stream costs, without beginning and end: ({domain: ns}, Mbit/s), of a long one less a short one."""
    (_, _, few, short, _, us), (_, _, many, whole, _, us2) = (case for key, case in sorted(cases.items()) if key[0] == name)
    return {domain: (whole[domain] * many - short[domain] * few) / (many - few) for domain in whole}, (many - few) * 8 * 1048576 / (us2 - us)
