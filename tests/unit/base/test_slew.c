#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/rng.h"
#include "base/slew.h"

#define HOUR_MS  INT64_C(3600000)
#define UNIX_MS  INT64_C(1800000000000)
#define START_MS INT64_C(5000) /* steady */

/* Asked and answered at once. */
static struct pawl_clock_reading reading_at(int64_t unix_ms, int64_t steady_ms)
{
    return (struct pawl_clock_reading){ unix_ms, steady_ms, steady_ms };
}

static struct pawl_slew slew_in_use(void)
{
    struct pawl_slew slew;
    pawl_slew_init(&slew, UNIX_MS, START_MS);
    pawl_slew_use(&slew);
    return slew;
}

static void without_a_reading_it_runs_on_with_the_steady_clock(void **state)
{
    (void)state;
    struct pawl_slew slew = slew_in_use();
    assert_true(pawl_slew_now_ms(&slew, START_MS) == UNIX_MS);
    assert_true(pawl_slew_now_ms(&slew, START_MS + HOUR_MS) == UNIX_MS + HOUR_MS);
    assert_true(pawl_slew_left_ms(&slew, START_MS + HOUR_MS) == 0);
}

static void before_it_is_in_use_a_reading_sets_it_at_once(void **state)
{
    (void)state;
    const int64_t offs_ms[] = { HOUR_MS, -HOUR_MS };
    for (size_t i = 0; i < 2; i++) {
        struct pawl_slew slew;
        pawl_slew_init(&slew, UNIX_MS, START_MS);
        struct pawl_clock_reading reading = reading_at(UNIX_MS + 20 + offs_ms[i], START_MS + 20);
        assert_true(pawl_slew_read(&slew, &reading, START_MS + 20) == offs_ms[i]);
        assert_true(pawl_slew_now_ms(&slew, START_MS + 20) == UNIX_MS + 20 + offs_ms[i]);
        assert_true(pawl_slew_left_ms(&slew, START_MS + 20) == 0);
    }
}

/* A hundred hours for one hour. */
static void in_use_it_follows_by_a_hundredth_of_the_time_and_gets_there(void **state)
{
    (void)state;
    for (int64_t sign = -1; sign <= 1; sign += 2) {
        struct pawl_slew slew = slew_in_use();
        struct pawl_clock_reading reading = reading_at(UNIX_MS + sign * HOUR_MS, START_MS);
        assert_true(pawl_slew_read(&slew, &reading, START_MS) == sign * HOUR_MS);
        assert_true(pawl_slew_now_ms(&slew, START_MS) == UNIX_MS);
        assert_true(pawl_slew_now_ms(&slew, START_MS + 1000) == UNIX_MS + 1000 + sign * 10);
        assert_true(pawl_slew_left_ms(&slew, START_MS + HOUR_MS) == sign * HOUR_MS * 99 / 100);
        assert_true(pawl_slew_now_ms(&slew, START_MS + 200 * HOUR_MS)
                    == UNIX_MS + 200 * HOUR_MS + sign * HOUR_MS);
        assert_true(pawl_slew_left_ms(&slew, START_MS + 100 * HOUR_MS) == 0);
    }
}

static void a_reading_counts_as_much_as_the_time_it_took_allows(void **state)
{
    (void)state;
    /* Anything from 400 ms behind to 100 ms ahead is possible: so it may be right. */
    struct pawl_slew slew = slew_in_use();
    struct pawl_clock_reading slow = { UNIX_MS + 100, START_MS, START_MS + 500 };
    assert_true(pawl_slew_read(&slew, &slow, START_MS + 500) == 0);
    /* It is 200 ms ahead at least, and may be 700: led no further than is certain. */
    slow.unix_ms = UNIX_MS + 700;
    assert_true(pawl_slew_read(&slew, &slow, START_MS + 500) == 200);
    assert_true(pawl_slew_left_ms(&slew, START_MS + 500) == 200);
    /* A quick one says more. */
    struct pawl_clock_reading quick = reading_at(UNIX_MS + 1000 + 450, START_MS + 1000);
    assert_true(pawl_slew_read(&slew, &quick, START_MS + 1000) == 250);
    /* Behind: the same the other way. */
    slew = slew_in_use();
    slow.unix_ms = UNIX_MS - 50;
    assert_true(pawl_slew_read(&slew, &slow, START_MS + 500) == -50);
}

/* Two nodes of a cluster were asked: the later reading is told first. */
static void a_reading_that_comes_late_is_taken(void **state)
{
    (void)state;
    struct pawl_slew slew = slew_in_use();
    struct pawl_clock_reading late = reading_at(UNIX_MS + 100 + 7, START_MS + 100);
    struct pawl_clock_reading early = reading_at(UNIX_MS + 50 + 5, START_MS + 50);
    (void)pawl_slew_read(&slew, &late, START_MS + 100);
    assert_true(pawl_slew_read(&slew, &early, START_MS + 120) == -2);
    assert_true(pawl_slew_now_ms(&slew, START_MS + 120) == UNIX_MS + 120);
}

/* Whatever is read. */
static void it_never_goes_back_nor_runs_away(void **state)
{
    (void)state;
    struct pawl_rng rng;
    pawl_rng_init(&rng, 11);
    struct pawl_slew slew = slew_in_use();
    int64_t steady_ms = START_MS, now_ms = UNIX_MS;
    for (int i = 0; i < 100000; i++) {
        int64_t step_ms = (int64_t)pawl_rng_below(&rng, i % 100 == 0 ? 100000 : 30);
        steady_ms += step_ms;
        int64_t next_ms = pawl_slew_now_ms(&slew, steady_ms);
        assert_true(next_ms >= now_ms + step_ms - step_ms / 100 - 1);
        assert_true(next_ms <= now_ms + step_ms + step_ms / 100 + 1);
        assert_true(next_ms >= now_ms);
        now_ms = next_ms;
        if (pawl_rng_below(&rng, 10)) continue;
        int64_t took_ms = (int64_t)pawl_rng_below(&rng, 1000);
        int64_t off_ms = (int64_t)pawl_rng_below(&rng, 2 * HOUR_MS) - HOUR_MS;
        struct pawl_clock_reading reading = { now_ms + off_ms, steady_ms - took_ms, steady_ms };
        (void)pawl_slew_read(&slew, &reading, steady_ms);
        assert_true(pawl_slew_now_ms(&slew, steady_ms) == now_ms);
    }
}

/* As a timer does that is set anew when it was early. */
static void a_wait_ends_when_the_time_has_come(void **state)
{
    (void)state;
    for (int64_t off_ms = -HOUR_MS; off_ms <= HOUR_MS; off_ms += HOUR_MS) {
        struct pawl_slew slew = slew_in_use();
        struct pawl_clock_reading reading = reading_at(UNIX_MS + off_ms, START_MS);
        (void)pawl_slew_read(&slew, &reading, START_MS);
        int64_t steady_ms = START_MS, until_ms = UNIX_MS + HOUR_MS;
        int64_t wait_ms = 0;
        int waits = 0;
        while ((wait_ms = pawl_slew_wait_ms(&slew, until_ms, steady_ms)) > 0) {
            steady_ms += wait_ms;
            waits++;
        }
        assert_true(pawl_slew_now_ms(&slew, steady_ms) >= until_ms);
        assert_true(pawl_slew_now_ms(&slew, steady_ms) <= until_ms + 2);
        assert_true(waits <= 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_reading_it_runs_on_with_the_steady_clock),
        cmocka_unit_test(before_it_is_in_use_a_reading_sets_it_at_once),
        cmocka_unit_test(in_use_it_follows_by_a_hundredth_of_the_time_and_gets_there),
        cmocka_unit_test(a_reading_counts_as_much_as_the_time_it_took_allows),
        cmocka_unit_test(a_reading_that_comes_late_is_taken),
        cmocka_unit_test(it_never_goes_back_nor_runs_away),
        cmocka_unit_test(a_wait_ends_when_the_time_has_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
