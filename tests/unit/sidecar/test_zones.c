/* Zones: those of the system are found, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */

#include "base/bytes.h"
#include "sidecar/io/zones.h"

static void a_zone_is_read_once_and_kept(void **state)
{
    struct pawl_zones *zones = pawl_zones_new(NULL);
    (void)state;
    const struct pawl_zone *berlin = pawl_zones_find(zones, PAWL_BYTES_LITERAL("Europe/Berlin"));
    assert_non_null(berlin);
    assert_ptr_equal(pawl_zones_find(zones, PAWL_BYTES_LITERAL("Europe/Berlin")), berlin);
    assert_int_equal(pawl_zone_span_at(berlin, 1787306400).offset_s, 7200);
    pawl_zones_free(zones);
}

static void what_is_not_there_is_looked_for_again(void **state)
{
    static const char *const names[] = { "Mars/Olympus", "../../../etc/passwd", "Europe",
                                         "zone.tab", "" };
    struct pawl_zones *zones = pawl_zones_new(NULL);
    (void)state;
    for (int twice = 0; twice < 2; twice++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            assert_null(pawl_zones_find(zones, pawl_bytes_str(names[i])));
    pawl_zones_free(zones);
    zones = pawl_zones_new("/there/is/no/such/folder");
    assert_null(pawl_zones_find(zones, PAWL_BYTES_LITERAL("Europe/Berlin")));
    pawl_zones_free(zones);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_is_read_once_and_kept),
        cmocka_unit_test(what_is_not_there_is_looked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
