# SPDX-License-Identifier: MIT
"""Xen with a Linux driver domain that owns the disk or the network card, as bench/xen/services and bench/xen/driver-services make it: what its boots need."""
import shutil

import machine

BOARD = ["--hypervisor", "xen", "--append", "dom0=pv smap=no dom0_mem=1024M", "--memory", "3072"]
DRIVER_CFG = """name = "{name}"
type = "pv"
kernel = "/files/build/kernels/control/vmlinux"
ramdisk = "/files/build/xen-driver.cpio"
extra = "console=hvc0 rootfstype=ramfs loglevel=4"
memory = 256
vcpus = 1
driver_domain = 1
pci = ["{device}"]
"""
DISK_CFG = DRIVER_CFG.format(name="disk", device="00:04.0")
NET_CFG = DRIVER_CFG.format(name="net", device="00:10.0")


def bring(path, *names):
    """These files of build/ in the control domain, below /files."""
    for name in names:
        target = path / "files/build" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(machine.BUILD / name, target)


def bring_guest(path):
    """What machine.GUEST_CFG with top="/files" names."""
    bring(path, "kernels/guest/vmlinux", "guest.cpio")


def bring_driver(path):
    """What DRIVER_CFG names."""
    bring(path, "kernels/control/vmlinux", "xen-driver.cpio")
