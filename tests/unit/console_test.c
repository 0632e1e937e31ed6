/* SPDX-License-Identifier: MIT */
/* dom/console.c over a slow port: the control domain is told how much was taken, what is left is drained by a timer, lines of domains always end. */
#include "dom/domain.h" /* Xen's errno names before the host's macros */
#include "lib/log.h"
#include "lib/softirq.h"
#include <string.h>
#include "suite.h"

char *fake_ram; /* none */
_Thread_local unsigned fake_cpu;
unsigned nr_cpus = 1;
unsigned log_port, console_port;
PERCPU(uint32_t, softirq_pending);
static uint64_t now = 1000;
static unsigned room, lines, virqs;
static char sent[256], input[8];
static bool left;

void spin_lock(struct spinlock *l) {}
void spin_unlock(struct spinlock *l) {}
uint64_t now_ns(void) { return now; }
void timer_init(struct timer *t, void (*fn)(void *), void *arg) { *t = (struct timer){.fn = fn, .arg = arg}; }
bool domain_has_role(const struct domain *d, uint32_t role) { return d->roles & role; }
static struct timer *set;
void timer_set(struct timer *t, uint64_t when) { (set = t)->when = when; }
void event_send_global_virq(unsigned virq) { virqs += virq == VIRQ_CONSOLE; }
void log_guest(const char *fmt, ...) { lines++; }
bool serial_drain(void) { return left; }
int serial_read(unsigned port)
{
    int c = input[0] ? input[0] : -1;
    memmove(input, input + 1, sizeof(input) - 1);
    return c;
}
unsigned serial_write(unsigned port, const char *s, unsigned len)
{
    unsigned n = MIN(len, room);
    strncat(sent, s, n);
    room -= n;
    return n;
}

static struct domain control = {.roles = BH_ROLE_CONSOLE}, guest;

static void back_pressure(void)
{
    room = 5;
    CU_ASSERT_EQUAL(console_write(&control, "hello, world", 12), 5);
    CU_ASSERT_EQUAL(console_write(&control, ", world", 7), 0);
    room = 100;
    CU_ASSERT_EQUAL(console_write(&control, ", world", 7), 7);
    CU_ASSERT_STRING_EQUAL(sent, "hello, world");
}

static void drained_by_a_timer(void)
{
    console_init();
    left = true;
    console_softirq();
    CU_ASSERT_PTR_NOT_NULL_FATAL(set);
    CU_ASSERT_EQUAL(set->when, now + SERIAL_FIFO_NS);
    struct timer *t = set;
    set = NULL;
    t->fn(t->arg);
    CU_ASSERT_EQUAL(this_cpu(softirq_pending), 1u << SOFTIRQ_CONSOLE);
    left = false;
    console_softirq();
    CU_ASSERT_PTR_NULL(set);
}

static void domains_never_wait(void)
{
    room = 0;
    CU_ASSERT_EQUAL(console_write(&guest, "one\ntwo\nthr", 11), 11);
    CU_ASSERT_EQUAL(lines, 2);
    CU_ASSERT_EQUAL(console_write(&guest, "ee\n", 3), 3);
    CU_ASSERT_EQUAL(lines, 3);
}

static void typed(void)
{
    char buf[8] = "";
    strcpy(input, "ab");
    console_softirq();
    CU_ASSERT_EQUAL(virqs, 1);
    CU_ASSERT_EQUAL(console_read(buf, sizeof(buf)), 2);
    CU_ASSERT_STRING_EQUAL(buf, "ab");
}

int main(void)
{
    CU_TestInfo tests[] = {{"back-pressure", back_pressure}, {"drained by a timer", drained_by_a_timer}, {"domains never wait", domains_never_wait},
        {"typed", typed}, CU_TEST_INFO_NULL};
    return suite_run("console", NULL, tests);
}
