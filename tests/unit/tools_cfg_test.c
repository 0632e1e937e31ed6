/* SPDX-License-Identifier: MIT */
/* tools/lib: configuration files, device specifications, typed domain configuration. */
#include <stdio.h>
#include <string.h>
#include "tools/lib/domcfg.h"
#include "suite.h"

static struct err e;

static struct cfg *parse(const char *text)
{
    e.text[0] = 0;
    return cfg_parse(text, strlen(text), "t.cfg", &e);
}

/* The text is refused, and the message has this in it. */
static void refused(const char *text, const char *message)
{
    struct cfg *c = parse(text);
    CU_ASSERT_PTR_NULL(c);
    if (c || !strstr(e.text, message))
        fprintf(stderr, "'%s': said '%s', wanted '%s'\n", text, e.text, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, message));
    cfg_free(c);
}

static void test_values(void)
{
    const char *s = NULL;
    long long n = 0;
    const struct cfg_value *v;
    unsigned count;
    struct cfg *c = parse("a = \"x\\ty\\x41\\102\" # rest\n b=0x10;c=-7 ; d = [ 'p', # one\n 2,\n]\ne=[]\na += 'z'\nd += [\"q\"]\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(cfg_string(c, "a", &s, &e), 1);
    CU_ASSERT_STRING_EQUAL(s, "x\tyABz");
    CU_ASSERT_EQUAL(cfg_number(c, "b", 0, 100, &n, &e), 1);
    CU_ASSERT_EQUAL(n, 16);
    CU_ASSERT_EQUAL(cfg_number(c, "c", -10, 0, &n, &e), 1);
    CU_ASSERT_EQUAL(n, -7);
    CU_ASSERT_EQUAL(cfg_list(c, "d", &v, &count, &e), 1);
    CU_ASSERT_EQUAL(count, 3);
    CU_ASSERT_STRING_EQUAL(v[0].string, "p");
    CU_ASSERT_EQUAL(v[1].number, 2);
    CU_ASSERT_STRING_EQUAL(v[2].string, "q");
    CU_ASSERT_EQUAL(cfg_list(c, "e", &v, &count, &e), 1);
    CU_ASSERT_EQUAL(count, 0);
    CU_ASSERT_EQUAL(cfg_string(c, "none", &s, &e), 0);
    cfg_free(c);
}

static void test_wrong_type(void)
{
    const char *s;
    long long n;
    struct cfg *c = parse("a=1\nb='x'\nc=5\nm='128'\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(cfg_string(c, "a", &s, &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "t.cfg:1: a: must be a string"));
    CU_ASSERT_EQUAL(cfg_number(c, "b", 0, 1, &n, &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "t.cfg:2: b:"));
    CU_ASSERT_EQUAL(cfg_number(c, "c", 0, 4, &n, &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "t.cfg:3: c: 5 is out of range (0 to 4)"));
    CU_ASSERT_EQUAL(cfg_number(c, "m", 0, 1000, &n, &e), 1);
    CU_ASSERT_EQUAL(n, 128);
    cfg_free(c);
}

static void test_syntax_errors(void)
{
    refused("a", "t.cfg:1: a: expected '='");
    refused("\n\n= 3", "t.cfg:3: expected a key");
    refused("a=\"x\nb=1", "t.cfg:1: a: string is not closed");
    refused("a='x", "string is not closed");
    refused("a=\"\\q\"", "unknown escape");
    refused("a=\"\\0\"", "unknown escape");
    refused("a=", "expected a string, a number or a list");
    refused("a=word", "not a number (strings need quotes)");
    refused("a=99999999999999999999", "not a number");
    refused("a=1 b=2", "unexpected text after the value");
    refused("a=[1 2]", "list: expected ',' or ']'");
    refused("a=[1,\n2", "t.cfg:2: a: list: expected");
    refused("a=[[1]]", "a list within a list");
    refused("a=1\na+=2", "+= wants");
    refused("a='x'\na+=['y']", "+= wants");
    char big[200];
    memset(big, 'k', sizeof(big));
    big[150] = 0;
    refused(big, "key is longer");
}

static void test_limits(void)
{
    static char text[CFG_MAX_BYTES + 10];
    memset(text, ' ', sizeof(text));
    CU_ASSERT_PTR_NULL(cfg_parse(text, sizeof(text), "t.cfg", &e));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "larger than"));
    for (unsigned i = 0; i < 20000; i++)
        memcpy(text + 4 * i, "a=1\n", 4);
    CU_ASSERT_PTR_NULL(cfg_parse(text, 80000, "t.cfg", &e));
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "too many"));
}

static void test_override_and_unknown(void)
{
    long long n;
    unsigned pos = 0, line = 0;
    struct cfg *c = parse("memory=16\n\nodd=1\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(cfg_override(c, "memory=32", "command line", &e), 0);
    CU_ASSERT_EQUAL(cfg_number(c, "memory", 0, 100, &n, &e), 1);
    CU_ASSERT_EQUAL(n, 32);
    CU_ASSERT_STRING_EQUAL(cfg_unknown(c, &pos, &line), "odd");
    CU_ASSERT_EQUAL(line, 3);
    CU_ASSERT_PTR_NULL(cfg_unknown(c, &pos, &line));
    CU_ASSERT_EQUAL(cfg_override(c, "memory=", "command line", &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "command line:1: memory"));
    cfg_free(c);
}

/* --- specifications --- */

static void disk_refused(const char *text, const char *message)
{
    struct disk_spec d;
    CU_ASSERT_EQUAL(disk_parse(text, &d, &e), -1);
    if (!strstr(e.text, message))
        fprintf(stderr, "disk '%s': said '%s'\n", text, e.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, message));
}

static void test_disk(void)
{
    struct disk_spec d;
    CU_ASSERT_EQUAL(disk_parse("backend=disk,vdev=xvda,target=nvme0n1p1,discard", &d, &e), 0);
    CU_ASSERT_STRING_EQUAL(d.backend, "disk");
    CU_ASSERT_STRING_EQUAL(d.target, "nvme0n1p1");
    CU_ASSERT_EQUAL(d.devid, 51712);
    CU_ASSERT_FALSE(d.readonly || d.no_discard || d.cdrom);
    CU_ASSERT_EQUAL(disk_parse(" nvme0n2 , raw, xvdb , r", &d, &e), 0);
    CU_ASSERT_STRING_EQUAL(d.target, "nvme0n2");
    CU_ASSERT_STRING_EQUAL(d.vdev, "xvdb");
    CU_ASSERT_TRUE(d.readonly);
    CU_ASSERT_EQUAL(disk_parse("nvme0n2,,xvdb,rw,backend=disk,no-discard", &d, &e), 0);
    CU_ASSERT_TRUE(d.no_discard);
    CU_ASSERT_FALSE(d.readonly);
    CU_ASSERT_EQUAL(disk_parse("vdev=xvdc,devtype=cdrom,access=ro", &d, &e), 0);
    CU_ASSERT_TRUE(d.cdrom);
    disk_refused("", "vdev: missing");
    disk_refused("vdev=xvda", "target: missing");
    disk_refused("target=x", "vdev: missing");
    disk_refused("vdev=zzz,target=x", "vdev: 'zzz'");
    disk_refused("vdev=xvda,target=x,access=maybe", "access: 'maybe'");
    disk_refused("vdev=xvda,target=x,format=qcow2", "format: 'qcow2' is not supported");
    disk_refused("vdev=xvda,target=x,format=wow", "format: 'wow' is unknown");
    disk_refused("vdev=xvda,target=x,colour=red", "unknown key 'colour'");
    disk_refused("vdev=xvda,target=", "target: empty");
    disk_refused("a,raw,xvda,w,extra", "too many positional fields");
    disk_refused("vdev=xvda,target=\x01", "cannot be printed");
}

static void test_devid(void)
{
    static const struct { const char *name; uint32_t id; } good[] = {
        {"xvda", 51712}, {"xvda1", 51713}, {"xvdp15", 51967}, {"xvdq", 1u << 28 | 16u << 8}, {"xvdaa", 1u << 28 | 26u << 8},
        {"xvda16", 1u << 28 | 16}, {"sda", 2048}, {"sdb3", 2067}, {"hda", 768}, {"hdc1", 5633}, {"d0", 51712}, {"d0p1", 51713},
        {"d20p3", 1u << 28 | 20u << 8 | 3},
    };
    static const char *const bad[] = {"", "xvd", "xvdA", "xvda0", "xvda01", "xvda256", "sdq", "sda16", "hde", "d", "dp1", "d0p",
                                      "xvda1x", "xvdzzzzzzzz", "nvme0n1"};
    uint32_t id;
    char name[32];
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        CU_ASSERT_EQUAL(disk_devid(good[i].name, &id), 0);
        CU_ASSERT_EQUAL(id, good[i].id);
        disk_vdev_name(id, name, sizeof(name));
        if (good[i].name[0] != 'd')
            CU_ASSERT_STRING_EQUAL(name, good[i].name);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(disk_devid(bad[i], &id), -1);
}

static void test_vif_rules(void)
{
    static const struct { const char *text; uint32_t bytes, us; } rates[] = {
        {"10Mb/s", 62500, 50000}, {"1MB/s@20ms", 20000, 20000}, {"250KB/s", 12500, 50000}, {"1GB/s@1s", 1000000000, 1000000},
        {"8000b/s@1ms", 1, 1000}, {"1B/s@1s", 1, 1000000}, {"10Gb/s@50us", 62500, 50}};
    static const char *const bad[] = {
        "rate=", "rate=10", "rate=10Mb", "rate=10Mb/s@", "rate=10Mb/s@50", "rate=10Mb/s@0ms", "rate=0Mb/s", "rate=-1Mb/s", "rate=10mb/s",
        "rate=10Mb/s@2s", "rate=1b/s", "rate=100GB/s@1s", "rate=10Mb/s@20msx", "rate=10Mb/sx@20ms", "rate=99999999999999999999b/s",
        "vlan=", "vlan=0", "vlan=4095", "vlan=5p", "vlan=5/6", "vlan=-5", "vlan=05",
        "ip=", "ip=10.0.0", "ip=10.0.0.0/8", "ip=::ffff:1.2.3.4", "ip=x", "ip=10.0.0.1 y", "ip=1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1 "
        "1.1.1.1 1.1.1.1 1.1.1.1 1.1.1.1"};
    struct vif_spec v;
    struct err e;
    char text[64];
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        snprintf(text, sizeof(text), "rate=%s", rates[i].text);
        CU_ASSERT(!vif_parse(text, &v, &e) && v.rate_bytes == rates[i].bytes && v.rate_us == rates[i].us);
    }
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CU_ASSERT_EQUAL(vif_parse(bad[i], &v, &e), -1);
        CU_ASSERT_EQUAL(strncmp(e.text, bad[i], (size_t)(strchr(bad[i], '=') - bad[i])), 0);
    }
    CU_ASSERT(!vif_parse("vlan=4094, ip=10.0.0.1 fe80::1", &v, &e) && v.vlan == 4094 && !strcmp(v.ip, "10.0.0.1 fe80::1"));
    CU_ASSERT(!vif_parse("mac=00:16:3e:00:00:01", &v, &e) && !v.vlan && !v.ip[0] && !v.rate_bytes);
}

static void test_pci_and_vif(void)
{
    struct pci_spec pci;
    char text[16];
    struct vif_spec v;
    CU_ASSERT_EQUAL(pci_parse("00:04.0", &pci, &e), 0);
    CU_ASSERT(pci.sbdf == 0x20 && !pci.unsafe && !pci.vfs);
    CU_ASSERT_EQUAL(pci_parse("0001:a0:1f.7,unsafe,vfs=7", &pci, &e), 0);
    CU_ASSERT(pci.sbdf == 0x1a0ff && pci.unsafe && pci.vfs == 7);
    sbdf_format(pci.sbdf, text);
    CU_ASSERT_STRING_EQUAL(text, "0001:a0:1f.7");
    static const char *const bad[] = {"", "4", "00:04", "00:04.8", "00:20.0", "0:4.0", "00:04.0x", "00:04.0,what", "0000:00:04.0.0",
                                      "00:04.0,vfs=", "00:04.0,vfs=-1", "00:04.0,vfs=65", "00:04.0,vfs=1x", "00:04.0,vfs=99999999999999999999"};
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(pci_parse(bad[i], &pci, &e), -1);
    CU_ASSERT_EQUAL(vif_parse("mac=00:16:3e:a1:b2:c3, bridge=br0,backend=net", &v, &e), 0);
    CU_ASSERT_EQUAL(v.mac[3], 0xa1);
    CU_ASSERT_EQUAL(vif_parse("", &v, &e), 0);
    CU_ASSERT_EQUAL(vif_parse("mac=01:16:3e:00:00:00", &v, &e), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "mac:"));
    CU_ASSERT_EQUAL(vif_parse("mac=00:16:3e:00:00", &v, &e), -1);
    CU_ASSERT_EQUAL(vif_parse("speed=9", &v, &e), -1);
    CU_ASSERT(!vif_parse("isolated=1", &v, &e) && v.isolated && !vif_parse("isolated=0", &v, &e) && !v.isolated);
    CU_ASSERT_EQUAL(vif_parse("isolated=yes", &v, &e), -1);
    test_vif_rules();
    CU_ASSERT(!vif_complete(&v, &e) && v.has_mac && v.mac[0] == 0 && v.mac[1] == 0x16 && v.mac[2] == 0x3e);
}

/* --- typed configuration --- */

static struct domcfg d;
static unsigned warnings;
static char warned[256];

static void warn(const char *text)
{
    warnings++;
    snprintf(warned, sizeof(warned), "%s", text);
}

static int read_cfg(const char *text)
{
    struct cfg *c = parse(text);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    warnings = 0;
    int rc = domcfg_read(c, "/dir/t.cfg", &d, warn, &e);
    cfg_free(c);
    return rc;
}

static void cfg_refused(const char *more, const char *message)
{
    char text[1024];
    snprintf(text, sizeof(text), "name='g'\nkernel='k'\nmemory=16\n%s\n", more);
    CU_ASSERT_EQUAL(read_cfg(text), -1);
    if (!strstr(e.text, message))
        fprintf(stderr, "'%s': said '%s', wanted '%s'\n", more, e.text, message);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, message));
}

static void test_domain(void)
{
    CU_ASSERT_EQUAL(read_cfg("name='disk'\nkernel='disk.elf'\nramdisk='/r'\nmemory=16\npci=['00:04.0']\ndriver_domain=1\n"
                             "extra='x y'\nroot='/dev/xvda'\ncpus='0-3,^2'\nwhat=1\nuuid='01234567-89ab-cdef-0123-456789abcdef'"), 0);
    CU_ASSERT_STRING_EQUAL(d.kernel, "/dir/disk.elf");
    CU_ASSERT_STRING_EQUAL(d.ramdisk, "/r");
    CU_ASSERT_STRING_EQUAL(d.cmdline, "root=/dev/xvda x y");
    CU_ASSERT_EQUAL(d.memory_kib, 16384);
    CU_ASSERT_EQUAL(d.maxmem_kib, 16384);
    CU_ASSERT_EQUAL(d.vcpus, 1);
    CU_ASSERT_EQUAL(d.pci[0].sbdf, 0x20);
    CU_ASSERT_EQUAL(d.cpus[0], 0x0b);
    CU_ASSERT_EQUAL(d.uuid[15], 0xef);
    CU_ASSERT_EQUAL(d.on_crash, ACT_RESTART);
    CU_ASSERT_EQUAL(d.on_watchdog, ACT_RESTART);
    CU_ASSERT_EQUAL(d.on_poweroff, ACT_DESTROY);
    CU_ASSERT_EQUAL(warnings, 1);
    CU_ASSERT_STRING_EQUAL(warned, "t.cfg:10: what: unknown key, ignored");
    CU_ASSERT_EQUAL(read_cfg("name='g'\nkernel='k'\nmaxmem=64\non_crash='preserve'"), 0);
    CU_ASSERT_EQUAL(d.memory_kib, 65536);
    CU_ASSERT_EQUAL(d.on_crash, ACT_PRESERVE);
    CU_ASSERT_EQUAL(d.on_watchdog, ACT_DESTROY);
}

static void test_domain_refused(void)
{
    CU_ASSERT_EQUAL(read_cfg("name='g'\nmemory=16"), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "kernel: missing"));
    CU_ASSERT_EQUAL(read_cfg("kernel='k'\nmemory=16"), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "name: missing"));
    CU_ASSERT_EQUAL(read_cfg("kernel='k'\nname='g'"), -1);
    CU_ASSERT_PTR_NOT_NULL(strstr(e.text, "memory: missing"));
    cfg_refused("vcpus=0", "t.cfg:4: vcpus: 0 is out of range");
    cfg_refused("vcpus=129", "vcpus: 129 is out of range");
    cfg_refused("memory=0", "memory: 0 is out of range");
    cfg_refused("maxmem=8", "maxmem: 8 MiB is less than memory");
    cfg_refused("type='hvm'", "type: 'hvm' is not supported");
    cfg_refused("name='a/b'", "name: 'a/b'");
    cfg_refused("name='12'", "name: '12'");
    cfg_refused("on_crash='explode'", "on_crash: 'explode'");
    cfg_refused("uuid='x'", "uuid: 'x'");
    cfg_refused("cpus='5-3'", "cpus: '5-3'");
    cfg_refused("cpus='1,^1'", "leaves no CPU");
    cfg_refused("driver_domain=2", "driver_domain: 2");
    cfg_refused("disk='x'", "disk: must be a list");
    cfg_refused("disk=['vdev=xvda,target=a','vdev=xvda,target=b']", "disk: entry 2: vdev: 'xvda' is used twice");
    cfg_refused("disk=[1]", "disk: entry 1: must be a string");
    cfg_refused("pci=['00:04.0','0000:00:04.0']", "pci: entry 2: '0000:00:04.0' is named twice");
    cfg_refused("kernel=''", "kernel: empty file name");
}

int main(void)
{
    CU_TestInfo tests[] = {
        {"values", test_values},
        {"wrong types", test_wrong_type},
        {"syntax errors name file, line and key", test_syntax_errors},
        {"limits", test_limits},
        {"overrides and unknown keys", test_override_and_unknown},
        {"disk specifications", test_disk},
        {"virtual disk numbers", test_devid},
        {"PCI and network specifications", test_pci_and_vif},
        {"domain configuration", test_domain},
        {"domain configuration refused", test_domain_refused},
        CU_TEST_INFO_NULL,
    };
    return suite_run("tools configuration", NULL, tests);
}
