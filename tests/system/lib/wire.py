#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""wire.py LOCAL REMOTE ADDRESS VLAN LOG: a host on the board's network, behind QEMU's -netdev socket,udp=127.0.0.1:LOCAL,
localaddr=127.0.0.1:REMOTE (a frame is a datagram).

It has the IPv4 ADDRESS, answers ARP and pings, in this VLAN only. LOG gets a line for each source address and VLAN that it hears of:
"heard MAC vlan N" (0: untagged).
"""
import socket
import struct
import sys

MAC = bytes.fromhex("525500000909")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def answer(kind, body, own):
    """What the host says to an ARP request or a ping for it; None to anything else."""
    if kind == 0x0806 and body[6:8] == b"\0\1" and body[24:28] == own:
        return body[:6] + b"\0\2" + MAC + own + body[8:18]
    if kind == 0x0800 and body[0] == 0x45 and body[9] == 1 and body[16:20] == own and body[20] == 8:
        ping = b"\0\0\0\0" + body[24:struct.unpack("!H", body[2:4])[0]]
        ping += b"\0" * (len(ping) % 2)
        ping = ping[:2] + struct.pack("!H", checksum(ping)) + ping[4:]
        return body[:12] + own + body[12:16] + ping
    return None


def main():
    local, remote, address, vlan, log = sys.argv[1:]
    own, vlan, seen = socket.inet_aton(address), int(vlan), set()
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.bind(("127.0.0.1", int(local)))
    with open(log, "w", buffering=1) as file:
        file.write("ready\n")
        while True:
            frame = wire.recv(65536)
            kind, tag, body = struct.unpack("!H", frame[12:14])[0], 0, frame[14:]
            if kind == 0x8100:
                tag, kind, body = struct.unpack("!H", body[:2])[0] & 0xFFF, struct.unpack("!H", body[2:4])[0], body[4:]
            who = frame[6:12].hex(":"), tag
            if who not in seen:
                seen.add(who)
                file.write(f"heard {who[0]} vlan {tag}\n")
            reply = answer(kind, body, own) if tag == vlan else None
            if reply:
                head = frame[6:12] + MAC + (struct.pack("!HH", 0x8100, tag) if tag else b"") + struct.pack("!H", kind)
                wire.sendto(head + reply, ("127.0.0.1", int(remote)))


if __name__ == "__main__":
    main()
