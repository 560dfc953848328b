/* Watch: subscribers to lifecycle events, by WATCH requests (sdk/request.h).
 *
 * The change log in the store is the truth; a watch is a read of it that waits for
 * something to read. What this sidecar commits wakes it at once; of what others
 * commit they tell (news.h), and once a second it looks for it. Nothing is kept between two
 * requests of a subscriber but what is known of the log's ends, so that he may go on anywhere.
 *
 *   ends unknown --CHANGES--> (one instance, no position or a gap: LOAD) --> behind its
 *   position? --CHANGES--> events: answered | none: waits for news, until the time is up
 */
#ifndef PAWL_ACTORS_WATCH_H
#define PAWL_ACTORS_WATCH_H

#include "actors/node_internal.h"

void pawl_watches_init(struct pawl_node *node);
void pawl_watches_deinit(struct pawl_node *node);

void pawl_watch_on_call(struct pawl_node *node, uint64_t token, const struct pawl_request *request);

/* The asker has left. False: it was no watch. */
bool pawl_watch_on_gone(struct pawl_node *node, uint64_t token);

/* This sidecar has, or may have, written an entry into the change log of this partition. */
void pawl_watch_on_changed(struct pawl_node *node, uint32_t partition);

/* Another one says that it has. */
void pawl_watch_on_told(struct pawl_node *node, uint32_t partition);

/* The partition is another's now: who watches one of its instances is answered
 * PAWL_E_FENCED, and asks there (router.h). */
void pawl_watches_on_partition_lost(struct pawl_node *node, const struct pawl_partition *partition);

#endif /* PAWL_ACTORS_WATCH_H */
