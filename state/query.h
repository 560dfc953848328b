/* What a QUERY means, in one place for the stores that are written in C. */
#ifndef PAWL_STATE_QUERY_H
#define PAWL_STATE_QUERY_H

#include "base/tags.h"
#include "state/store.h"

enum pawl_query_facet_kind { PAWL_FACET_NONE, PAWL_FACET_NAME, PAWL_FACET_TAG };

/* What the index of an order is narrowed to beside status and time. */
struct pawl_query_facet {
    enum pawl_query_facet_kind kind;
    struct pawl_tag tag; /* of the query's first tag */
};

struct pawl_query_facet pawl_query_facet_of(const struct pawl_query *query);

/* The statuses that the order can have, all of them when none is asked for: bit n is
 * status n. */
uint32_t pawl_query_mask(const struct pawl_query *query);

/* The range of the order's key: [from, to). CREATED and COMPLETED. */
struct pawl_query_range {
    int64_t from_ms;
    int64_t to_ms;
};
struct pawl_query_range pawl_query_range_of(const struct pawl_query *query);

/* The key that the order sorts by. */
int64_t pawl_query_key(const struct pawl_query *query, const struct pawl_metadata *metadata);

bool pawl_query_matches(const struct pawl_query *query, struct pawl_bytes instance,
                        const struct pawl_metadata *metadata);

/* count_only, and the index alone decides: see QUERY in store.h. */
bool pawl_query_is_counted_by_index(const struct pawl_query *query);

#endif /* PAWL_STATE_QUERY_H */
