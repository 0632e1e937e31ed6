# SPDX-License-Identifier: MIT
"""The machine `bochs` of tools/board: Bochs with VT-x or SVM, booted by GRUB from a CD image (tools/mkiso --bochs).

The interface is that of tools/qemu.py. Bochs counts instructions as its time, IPS of them a virtual second.
"""
import pathlib
import re
import socket
import subprocess

NAME, MOST_CPUS, MOST_MIB = "Bochs", 8, 2048
IPS = 50_000_000
TOOLS = pathlib.Path(__file__).resolve().parent
BIOS = "/usr/share/bochs/BIOS-bochs-latest"
VGABIOS = "/usr/share/seabios/vgabios-isavga.bin"


def listen(_name):
    """A listening socket for a serial port: Bochs knows none but those of the Internet's protocols."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    return listener


def configuration(options, listeners):
    """bochsrc. The screen is a VNC server that nobody needs to look at: there is no way to have none."""
    lacks_vm_cr = int(options.cpu == "ryzen")  # an MSR that every CPU with SVM has
    port = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    return f"""\
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1
cpu: model={options.cpu}, count={options.smp}, ips={IPS}, reset_on_triple_fault=0, ignore_bad_msrs={lacks_vm_cr}
memory: guest={options.memory}, host={options.memory}
romimage: file={BIOS}, options=fastboot
vgaromimage: file={VGABIOS}
ata0-master: type=cdrom, path=cd.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=socket-client, dev=127.0.0.1:{port["console"]}
com2: enabled=1, mode=socket-client, dev=127.0.0.1:{port["log"]}
display_library: rfb, options="timeout=0"
clock: sync=none, time0=utc
log: bochs.log
panic: action=fatal
info: action=ignore
"""


def command(options, listeners):
    """Write Bochs's files; its command line. The debugger that Debian builds in is told to go on at once."""
    if subprocess.run([TOOLS / "mkiso", "--bochs", options.kernel_words, "cd.iso", "hypervisor", "kernel",
                       "initramfs" if options.control_initramfs else "none", options.hypervisor_words], check=False).returncode:
        raise OSError("no CD image")  # mkiso has said why
    pathlib.Path("bochsrc").write_text(configuration(options, listeners))
    pathlib.Path("commands").write_text("c\n")
    return [options.emulator, "-q", "-f", "bochsrc", "-rc", "commands"]


def complaint(output):
    """Its errors and what it says at its end; most of its output is about its own parts."""
    found = re.findall(r"^\d+e\[.*?\] (?!notify)(.*)|following message:\n\[.*?\] (.*)", output, re.MULTILINE)
    return "; ".join(error or last for error, last in found)


def ended_well(_status, said):
    """Whether the machine powered itself off, which is a panic to Bochs."""
    return "ACPI control: soft power off" in said
