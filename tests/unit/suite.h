/* SPDX-License-Identifier: MIT */
/*
 * What the main() of a unit test ends with: runs one suite and prints each test's name and outcome.
 *
 *     CU_TestInfo tests[] = {{"sizes", test_sizes}, CU_TEST_INFO_NULL};
 *     return suite_run("ring", NULL, tests);
 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H
#include <CUnit/Basic.h>

/* `first` (may be NULL) runs before the tests and returns 0. Exit status: 0 all ran and passed, 1 not so, 2 CUnit cannot start. */
static inline int suite_run(const char *name, CU_InitializeFunc first, CU_TestInfo *tests)
{
    CU_SuiteInfo suites[] = {{name, first, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    unsigned there = 0, ran, failed;

    while (tests[there].pName)
        there++;
    if (CU_initialize_registry() || CU_register_suites(suites))
        return 2;
    CU_basic_set_mode(CU_BRM_VERBOSE);
    CU_basic_run_tests();
    ran = CU_get_number_of_tests_run();
    failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failed || ran != there || !there;
}
#endif
