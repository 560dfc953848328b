/* Slew: a clock that runs on from a steady one and is led, little by little, to what another
 * clock shows. It never goes back, and once it is in use it never jumps: it runs at most 1 %
 * faster or slower than the steady clock (10 ms a second). Pure: all times are arguments,
 * in ms; steady ones are of CLOCK_BOOTTIME.
 */
#ifndef PAWL_BASE_SLEW_H
#define PAWL_BASE_SLEW_H

#include <stdbool.h>
#include <stdint.h>

/* The other clock showed `unix_ms` at some moment between two steady ones: when it was asked
 * and when its answer came. So an answer that took long says little, and no more is believed. */
struct pawl_clock_reading {
    int64_t unix_ms;
    int64_t asked_ms;
    int64_t answered_ms;
};

struct pawl_slew {
    int64_t offset_ms; /* Unix time minus steady time, at since_ms */
    int64_t since_ms;  /* steady */
    int64_t to_ms;     /* the offset that it is led to */
    bool is_in_use;
};

/* It shows `unix_ms` at `steady_ms`. */
void pawl_slew_init(struct pawl_slew *slew, int64_t unix_ms, int64_t steady_ms);

/* Somebody goes by it from now on. Before, a reading sets it at once. */
void pawl_slew_use(struct pawl_slew *slew);

/* Take a reading. Returns how far, in ms, the other clock is from where it was taken to be:
 * positive when it is ahead. */
int64_t pawl_slew_read(struct pawl_slew *slew, const struct pawl_clock_reading *reading,
                       int64_t steady_ms);

int64_t pawl_slew_now_ms(const struct pawl_slew *slew, int64_t steady_ms);

/* How far it still has to go: positive when the other clock is ahead. */
int64_t pawl_slew_left_ms(const struct pawl_slew *slew, int64_t steady_ms);

/* How long to wait, by the steady clock, until it shows `unix_ms`: perhaps a little less, at most
 * a millisecond more. 0: it does already. */
int64_t pawl_slew_wait_ms(const struct pawl_slew *slew, int64_t unix_ms, int64_t steady_ms);

#endif /* PAWL_BASE_SLEW_H */
