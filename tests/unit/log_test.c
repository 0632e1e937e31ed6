/* SPDX-License-Identifier: MIT */
/* lib/log.c over a serial port of 115200 baud: what domains say takes its share of the time and no more; the ring has all of it. */
#include "lib/lock.h"
#include "lib/log.h"
#include "lib/percpu.h"
#include <string.h>
#include "suite.h"

#define BYTE_NS 86806ull
#define SECOND 1000000000ull

char *fake_ram; /* none */
_Thread_local unsigned fake_cpu;
unsigned nr_cpus = 1;
const uint64_t symtab_count[1], symtab_addrs[1];
const uint32_t symtab_names[1];
const char symtab_strings[1];
static uint64_t now, busy;
static char sent[1 << 20];
static size_t nsent;

void spin_lock(struct spinlock *l) {}
void spin_unlock(struct spinlock *l) {}
static unsigned queue; /* bytes in the port's queue; they stay there */
static bool waits = true; /* whoever writes waits for the port: nothing is queued */
unsigned serial_write(unsigned port, const char *s, unsigned len)
{
    now += waits ? len * BYTE_NS : 0;
    busy += waits ? len * BYTE_NS : 0;
    queue += waits ? 0 : len + 1;
    memcpy(sent + nsent, s, len);
    nsent += len;
    sent[nsent] = 0;
    return len;
}
unsigned serial_room(unsigned port) { return SERIAL_QUEUE - queue; }
void serial_queue(bool on) { }
static uint64_t clock_now(void) { return now; }

static void begin(void)
{
    log_clock = clock_now;
    now += 1000 * SECOND; /* whatever was owed is paid */
    log_guest("begin");   /* and what was skipped is said */
    log_clear();
    nsent = 0;
    busy = 0;
}

/* Ten domains with 200 lines a second each, for a minute. */
static void flood(void)
{
    begin();
    uint64_t end = now + 60 * SECOND, start = now;
    unsigned lines = 0;
    while (now < end) {
        uint64_t at = now;
        log_guest("d7: line %u of a domain that has much to say", lines++);
        now = MAX(now, at + SECOND / 2000);
    }
    CU_ASSERT(lines > 10000);
    CU_ASSERT(busy <= (now - start) / LOG_GUEST_SHARE + 2 * LOG_GUEST_BURST_NS);
    CU_ASSERT(busy >= (now - start) / LOG_GUEST_SHARE / 2); /* the share is used */
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "lines are in the log only"));
    log_error("ours");
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "error: ours"));
}

static void few(void)
{
    begin();
    for (unsigned i = 0; i < 100; i++, now += SECOND)
        log_guest("d7: line %u", i);
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "line 99"));
    CU_ASSERT_PTR_NULL(strstr(sent, "in the log only"));
}

static void ring(void)
{
    char buf[4096];
    uint64_t pos = 0;
    begin();
    for (unsigned i = 0; i < 50; i++)
        log_guest("d7: line %u", i);
    log_threshold = LOG_WARN;
    nsent = 0;
    log_guest("d7: unheard");
    log_info("unheard too");
    log_threshold = LOG_INFO;
    CU_ASSERT_EQUAL(nsent, 0);
    unsigned n = log_read(&pos, buf, sizeof(buf) - 1);
    buf[n] = 0;
    CU_ASSERT(strstr(buf, "line 0") && strstr(buf, "line 49") && strstr(buf, "d7: unheard") && strstr(buf, "unheard too"));
}

/* A port that sends nothing for now: domains fill half of its queue, our own lines the rest; none overflows it, and the port says so when it goes on. */
static void slow(void)
{
    begin();
    waits = false;
    for (unsigned i = 0; i < 1000; i++)
        log_guest("d7: line %u", i);
    CU_ASSERT(queue > SERIAL_QUEUE / 3 && queue <= SERIAL_QUEUE / 2);
    for (unsigned i = 0; i < 1000; i++)
        log_error("number %u", i);
    CU_ASSERT(queue > SERIAL_QUEUE * 9 / 10 && queue <= SERIAL_QUEUE);
    CU_ASSERT_PTR_NULL(strstr(sent, "number 999"));
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "lines are in the log only"));
    queue = nsent = 0;
    log_error("at last");
    unsigned lines = 0;
    CU_ASSERT_EQUAL(sscanf(sent, "(BH) %u lines are in the log only", &lines), 1);
    CU_ASSERT(lines > 700 && lines < 800); /* domains' lines were told by the first of ours */
    CU_ASSERT_PTR_NOT_NULL(strstr(sent, "at last"));
    waits = true;
    queue = 0;
}

int main(void)
{
    CU_TestInfo tests[] = {{"domains that flood", flood}, {"domains that do not", few}, {"the ring", ring}, {"a slow port", slow}, CU_TEST_INFO_NULL};
    return suite_run("log", NULL, tests);
}
