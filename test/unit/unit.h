/*
 * unit.h - cmocka with what every unit test here wants: a check after each test that
 * no block is left allocated and that no failure is still armed.
 */
#ifndef IC_TEST_UNIT_H
#define IC_TEST_UNIT_H

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline int unit_setup(void **state)
{
    (void)state;
    ic_alloc_fail_at(0);
    return 0;
}

static inline int unit_no_leak(void **state)
{
    (void)state;
    ic_alloc_fail_at(0);
    assert_int_equal(ic_alloc_live(), 0);
    return 0;
}

/* A test that must leave nothing allocated. */
#define leak_test(f) cmocka_unit_test_setup_teardown(f, unit_setup, unit_no_leak)

#endif
