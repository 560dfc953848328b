/* Pace: how many instances that the clock has woken are worked on at once.
 *
 * After an outage everything that was due is due at once: a hundred thousand timers, or all
 * that a dead sidecar had. Each instance that a reminder or its own timer wakes takes a
 * place until its turn is committed, and the place then rests for as long as it was taken:
 * each is at work half of the time at most, and less when all else is slow. There are few
 * places, which the sidecars of an app share, so that what somebody has just asked for does not
 * stand behind what is late anyway; and more where even the quickest take long, because then the
 * store or the app is far away, not busy: enough for some 2,500 instances a second. Who finds no
 * place waits in the store, or, if it is in memory anyway, in line. Work that somebody has
 * just asked for needs no place. */
#ifndef PAWL_ACTORS_PACE_H
#define PAWL_ACTORS_PACE_H

#include "actors/node_internal.h"

struct pawl_workflow;

void pawl_pace_init(struct pawl_node *node);
void pawl_pace_deinit(struct pawl_node *node);

/* Free places, less what polls in flight will probably need. */
uint32_t pawl_pace_room(struct pawl_node *node);

/* Whether they are worth a poll. */
bool pawl_pace_has_room(struct pawl_node *node);

/* Takes a place, also when there is none left: the reminder is here, and leased. */
void pawl_pace_take(struct pawl_node *node, struct pawl_workflow *workflow);

/* Takes a place, or puts the instance in line; false: in line, and advanced in its turn. */
bool pawl_pace_take_or_wait(struct pawl_node *node, struct pawl_workflow *workflow);

/* Work has come that needs no place. */
void pawl_pace_leave_line(struct pawl_workflow *workflow);

/* No room for what a poll brings: polled when there is, in turn. */
void pawl_pace_wait_to_poll(struct pawl_node *node, struct pawl_partition *partition);
void pawl_pace_leave_poll_line(struct pawl_partition *partition);

/* A poll may have brought less than was expected of it. */
void pawl_pace_on_polled(struct pawl_node *node);

/* Gives the place back, or leaves the line. Harmless when it has neither. */
void pawl_pace_release(struct pawl_node *node, struct pawl_workflow *workflow);

#endif /* PAWL_ACTORS_PACE_H */
