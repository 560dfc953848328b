/* News: sidecars tell each other that there is something in the change log of a partition,
 * so that a subscriber hears at once of what another one commits.
 *
 *   who has subscribers of a name or the app --NEWS_WANTED, once a second--> all of its app
 *   who commits a change --NEWS: partitions, at most every 5 ms--> those that asked lately
 *
 * It is a hint: the log is read from the store, and read once a second without any news
 * (watch.c). So whatever is lost here makes an event late, and nothing else. */
#ifndef PAWL_ACTORS_NEWS_H
#define PAWL_ACTORS_NEWS_H

#include "actors/node_internal.h"

void pawl_news_init(struct pawl_node *node);
void pawl_news_deinit(struct pawl_node *node);

/* Somebody watches here what others commit. May be called as often as that is so. */
void pawl_news_want(struct pawl_node *node);

/* This sidecar has written an entry into the log of the partition. */
void pawl_news_tell(struct pawl_node *node, uint32_t partition);

void pawl_news_on_wanted(struct pawl_node *node, struct pawl_host *host);
void pawl_news_on_told(struct pawl_node *node, const struct pawl_peer_news *told);

#endif /* PAWL_ACTORS_NEWS_H */
