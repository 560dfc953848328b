#include "state/query.h"

#include "base/bytes.h"
#include "state/keys.h"

struct pawl_query_facet pawl_query_facet_of(const struct pawl_query *query)
{
    struct pawl_tags tags;
    if (pawl_tags_unpack(query->tags, &tags) == PAWL_OK && tags.count > 0)
        return (struct pawl_query_facet){ PAWL_FACET_TAG, tags.items[0] };
    bool has_name = !pawl_bytes_is_absent(query->name);
    return (struct pawl_query_facet){ .kind = has_name ? PAWL_FACET_NAME : PAWL_FACET_NONE };
}

uint32_t pawl_query_mask(const struct pawl_query *query)
{
    uint32_t mask = 0;
    for (int i = 0; i < PAWL_STATUS_COUNT; i++) {
        bool is_ended = pawl_store_status_is_terminal((enum pawl_status)i);
        if (is_ended || query->order != PAWL_QUERY_COMPLETED) mask |= UINT32_C(1) << i;
    }
    return query->status_mask ? mask & query->status_mask : mask;
}

struct pawl_query_range pawl_query_range_of(const struct pawl_query *query)
{
    bool is_completed = query->order == PAWL_QUERY_COMPLETED;
    int64_t from_ms = is_completed ? query->completed_from_ms : query->created_from_ms;
    int64_t to_ms = is_completed ? query->completed_to_ms : query->created_to_ms;
    return (struct pawl_query_range){ from_ms, to_ms != 0 ? to_ms : INT64_MAX };
}

int64_t pawl_query_key(const struct pawl_query *query, const struct pawl_metadata *metadata)
{
    switch (query->order) {
    case PAWL_QUERY_CREATED: return metadata->created_ms;
    case PAWL_QUERY_COMPLETED: return metadata->completed_ms;
    case PAWL_QUERY_ID:
    case PAWL_QUERY_ORDERS_END: break;
    }
    return 0;
}

static bool in_range(int64_t ms, int64_t from_ms, int64_t to_ms)
{
    return ms >= from_ms && (to_ms == 0 || ms < to_ms);
}

bool pawl_query_matches(const struct pawl_query *query, struct pawl_bytes instance,
                        const struct pawl_metadata *metadata)
{
    bool wants_ended = query->order == PAWL_QUERY_COMPLETED || query->completed_from_ms != 0
                       || query->completed_to_ms != 0;
    if (wants_ended && !pawl_store_status_is_terminal(metadata->status)) return false;
    if (!(pawl_query_mask(query) & UINT32_C(1) << metadata->status)) return false;
    if (!pawl_bytes_is_absent(query->name) && !pawl_bytes_is_equal(query->name, metadata->name))
        return false;
    if (!pawl_bytes_starts_with(instance, query->prefix)) return false;
    if (!in_range(metadata->created_ms, query->created_from_ms, query->created_to_ms)) return false;
    if (wants_ended
        && !in_range(metadata->completed_ms, query->completed_from_ms, query->completed_to_ms))
        return false;
    if (!in_range(metadata->updated_ms, query->updated_from_ms, query->updated_to_ms)) return false;
    return pawl_tags_hold(metadata->tags, query->tags);
}

bool pawl_query_is_counted_by_index(const struct pawl_query *query)
{
    if (!query->count_only || query->order == PAWL_QUERY_ID || query->prefix.size > 0) return false;
    bool has_created = query->created_from_ms != 0 || query->created_to_ms != 0;
    bool has_completed = query->completed_from_ms != 0 || query->completed_to_ms != 0;
    if (query->order == PAWL_QUERY_CREATED ? has_completed : has_created) return false;
    if (query->updated_from_ms != 0 || query->updated_to_ms != 0) return false;
    struct pawl_tags tags;
    if (pawl_tags_unpack(query->tags, &tags) != PAWL_OK) return false;
    return tags.count + (pawl_bytes_is_absent(query->name) ? 0 : 1) <= 1;
}
