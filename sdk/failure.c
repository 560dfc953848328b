/* Failures between their public form, their view and their bytes. */
#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/instance.h"

/* Causes of causes beyond this are cut off. */
#define FAILURE_DEPTH_MAX 16u

static struct pawl_failure *from_view(struct pawl_pool *pool, const struct pawl_failure_view *view,
                                      unsigned int depth)
{
    struct pawl_failure *failure = PAWL_POOL_NEW(pool, struct pawl_failure);
    if (!failure) return NULL;
    failure->type = pawl_pool_text(pool, view->type);
    failure->message = pawl_pool_text(pool, view->message);
    failure->non_retriable = view->non_retriable;
    if (!failure->type || !failure->message) return NULL;
    if (!pawl_pool_copy(pool, view->details, &failure->details)) return NULL;

    struct pawl_failure_view inner;
    if (depth < FAILURE_DEPTH_MAX && view->inner.size > 0
        && pawl_failure_decode(view->inner, &inner) == PAWL_OK && inner.present) {
        failure->cause = from_view(pool, &inner, depth + 1);
        if (!failure->cause) return NULL;
    }
    return failure;
}

const struct pawl_failure *pawl_failure_from_view(struct pawl_pool *pool,
                                                  const struct pawl_failure_view *view)
{
    return from_view(pool, view, 0);
}

/* At most PAWL_MESSAGE_SIZE_MAX bytes, not in the middle of a character. */
static struct pawl_bytes cut(const char *text)
{
    struct pawl_bytes bytes = pawl_bytes_str(text ? text : "");
    if (bytes.size <= PAWL_MESSAGE_SIZE_MAX) return bytes;
    bytes.size = PAWL_MESSAGE_SIZE_MAX;
    while (bytes.size > 0 && (bytes.data[bytes.size] & 0xC0) == 0x80) bytes.size--;
    return bytes;
}

static struct pawl_failure_view to_view(struct pawl_pool *pool, const struct pawl_failure *failure,
                                        unsigned int depth)
{
    struct pawl_failure_view view = { .present = true,
                                      .non_retriable = failure->non_retriable,
                                      .type = cut(failure->type),
                                      .message = cut(failure->message),
                                      .details = failure->details };
    if (!failure->cause || depth == FAILURE_DEPTH_MAX) return view;

    struct pawl_failure_view inner = to_view(pool, failure->cause, depth + 1);
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_PAYLOAD_SIZE_MAX);
    pawl_failure_encode(&buf, &inner);
    /* A cause that is too large is left out rather than losing the failure itself. */
    if (buf.bad == PAWL_OK && !pawl_pool_copy(pool, pawl_buf_view(&buf), &view.inner)) {
        view.inner = PAWL_BYTES_ABSENT;
    }
    pawl_buf_deinit(&buf);
    return view;
}

struct pawl_failure_view pawl_failure_to_view(struct pawl_pool *pool,
                                              const struct pawl_failure *failure)
{
    return to_view(pool, failure, 0);
}
