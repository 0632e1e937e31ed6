# SPDX-License-Identifier: MIT
"""The machine `qemu` of tools/board: QEMU's q35, an AMD-like CPU with SVM, VT-d with interrupt remapping.

Interface, the same in tools/bochs.py: NAME, listen(name) for a serial port, command(options, listeners) to start it,
complaint(output) out of what it printed, ended_well(status, complaint). All run in the run's directory, in which tools/board has put `hypervisor`, `kernel`, `initramfs`,
`diskN` and `iso`: with these names no comma or space of the user's own paths gets into a module list.
"""
import os
import socket

NAME, MOST_CPUS, MOST_MIB = "QEMU", 63, 1 << 20


def listen(name):
    """A listening socket for the serial port `name`."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    return listener


def complaint(output):
    """What of the emulator's output is worth showing."""
    return output


def ended_well(status, _complaint):
    """Whether the machine powered itself off."""
    return status == 0


def kvm_nests():
    """Whether this machine's KVM can run a hypervisor."""
    for vendor in ("amd", "intel"):
        try:
            with open(f"/sys/module/kvm_{vendor}/parameters/nested", encoding="ascii") as file:
                if file.read(1) in "1Y" and os.access("/dev/kvm", os.R_OK | os.W_OK):
                    return True
        except OSError:
            pass
    return False


def spares(options):
    """CPUs beside those of --smp: under TCG Bulkhead runs no guest on the first of several (docs/architecture.md, Quirks)."""
    return 1 if options.ours and options.smp > 1 and not kvm_nests() else 0


def igb_place(options, number):
    """Up to two 82576 are functions 0 and 1 of 00:0c, as on a card with two ports; virtual functions are 80h behind them, every other one."""
    before = sum(card == "igb" for card, _ in options.nic[:number])
    return f"multifunction=on,addr=0xc.{before}"


def command(options, listeners):
    """QEMU's command line; it is started in the run's directory."""
    kvm = kvm_nests() and not options.icount
    # With --icount each byte that REP MOVSB moves counts as an instruction: without ERMS kernels move words instead.
    cpu = "host" if kvm else "max,-erms,-fsrm" if options.icount else "max"
    if not options.ours and options.hypervisor:
        cpu += ",-rdtscp,-avx,-avx2,-xsave"
    command = [
        options.emulator, "-machine", f"q35,accel={'kvm' if kvm else 'tcg'},kernel-irqchip={'split' if kvm else 'off'}",
        "-cpu", cpu, "-smp", str(options.smp + spares(options)), "-m", str(options.memory), "-nodefaults", "-display", "none",
        "-no-reboot", "-device", "intel-iommu,intremap=on" + ("" if options.ours else ",aw-bits=48"),  # Xen gives devices 4 levels of tables
        "-chardev", "socket,id=console,path=console", "-serial", "chardev:console",
        "-chardev", "socket,id=log,path=log", "-serial", "chardev:log"]
    if not kvm:
        command[2] = "q35,accel=tcg"
    if options.icount:
        command += ["-icount", "shift=0,sleep=off", "-seed", "42", "-rtc", "base=2026-01-01,clock=vm"]
    for number, path in enumerate(options.disk):
        if isinstance(path, str):
            size = int(path.removeprefix("null:")) << 20
            command += ["-blockdev", f"driver=null-co,node-name=disk{number},size={size},read-zeroes=on"]
        else:
            command += ["-drive", f"file=disk{number},format=raw,if=none,id=disk{number}"]
        command += ["-device", f"nvme,drive=disk{number},serial=bulkhead{number},addr={4 + number:#x}"]
    for number, (card, arguments) in enumerate(options.nic):
        where = f"addr={16 + number:#x}" if card == "e1000e" else igb_place(options, number)
        command += ["-netdev", f"{arguments},id=nic{number}", "-device", f"{card},netdev=nic{number},{where}"]
    if options.monitor:
        command += ["-chardev", "socket,id=monitor,path=monitor,server=on,wait=off", "-mon", "monitor"]
    if options.gdb:
        command += ["-s", "-S"]
    if options.iso:
        return command + ["-drive", "file=iso,format=raw,if=none,id=iso,readonly=on", "-device",
                          "ide-cd,drive=iso,bus=ide.0", "-boot", "d"]
    return command + boot_arguments(options)


def boot_arguments(options):
    """-kernel, -append and -initrd: the hypervisor, its options and its two modules; or the kernel alone."""
    if not options.hypervisor:
        return ["-kernel", "kernel", "-append", options.kernel_words] + \
            (["-initrd", "initramfs"] if options.control_initramfs else [])
    modules = f"kernel {options.kernel_words}".strip().replace(",", ",,")
    if options.control_initramfs:
        modules += ",initramfs"
    return ["-kernel", "hypervisor", "-append", options.hypervisor_words, "-initrd", modules]
