/* SPDX-License-Identifier: MIT */
/*
 * Cases that each run in a process of their own, because what they test keeps its state for life.
 * CHECK inside of a case ends its process; CASE(name) makes test_name, for the table of suite_run, out of it.
 */
#ifndef TESTS_CASE_H
#define TESTS_CASE_H
#include "suite.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(c)                                                             \
    do {                                                                     \
        if (!(c)) {                                                          \
            fprintf(stderr, "\n%s:%d: %s\n", __FILE__, __LINE__, #c);        \
            _exit(1);                                                        \
        }                                                                    \
    } while (0)

/* Run a case in a child; its exit status, 255 if it died. */
static inline int in_child(void (*fn)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return 255;
    return WEXITSTATUS(status);
}

#define CASE(name)                            \
    static void test_##name(void)             \
    {                                         \
        CU_ASSERT_EQUAL(in_child(name), 0);   \
    }
#endif
