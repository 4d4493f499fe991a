/*
 * test_package.c - the zip holds the program, executable, and is the same every time.
 */
#include "cli/package.h"

#include "unit/unit.h"

#include <unistd.h>
#include <zip.h>

static void test_equal_programs_give_equal_packages(void **state)
{
    (void)state;
    char why[IC_PACKAGE_WHY_MAX];
    struct ic_package a, b, other;
    assert_int_equal(ic_package_init(&a, "/bin/sh", why), 0);
    assert_int_equal(ic_package_init(&b, "/bin/sh", why), 0);
    assert_int_equal(ic_package_init(&other, "/bin/true", why), 0);
    assert_string_equal(a.sha256, b.sha256);
    assert_int_equal(strlen(a.sha256), 44);
    assert_string_not_equal(a.sha256, other.sha256);
    assert_true(ic_slice_equal(ic_buf_slice(&a.zip), ic_buf_slice(&b.zip)));
    ic_package_deinit(&a);
    ic_package_deinit(&b);
    ic_package_deinit(&other);
}

static void test_the_program_is_executable(void **state)
{
    (void)state;
    char why[IC_PACKAGE_WHY_MAX];
    struct ic_package p;
    assert_int_equal(ic_package_init(&p, "/bin/true", why), 0);
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(p.zip.data, p.zip.len, 0, &error);
    assert_non_null(source);
    zip_t *z = zip_open_from_source(source, ZIP_RDONLY, &error);
    assert_non_null(z);
    assert_int_equal(zip_get_num_entries(z, 0), 1);
    assert_string_equal(zip_get_name(z, 0, 0), "bootstrap");
    zip_uint8_t system;
    zip_uint32_t attributes;
    assert_int_equal(zip_file_get_external_attributes(z, 0, 0, &system, &attributes), 0);
    assert_int_equal(system, ZIP_OPSYS_UNIX);
    assert_int_equal(attributes >> 16, 0100755);
    zip_discard(z);
    zip_error_fini(&error);
    ic_package_deinit(&p);
}

static void test_a_missing_program_is_named(void **state)
{
    (void)state;
    char why[IC_PACKAGE_WHY_MAX];
    struct ic_package p;
    assert_true(ic_package_init(&p, "/no/such/program", why) < 0);
    assert_non_null(strstr(why, "/no/such/program"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        leak_test(test_equal_programs_give_equal_packages),
        leak_test(test_the_program_is_executable),
        leak_test(test_a_missing_program_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
