/* An export is pages of a history, each written where it arrives. Its head and what waits are
 * those of its last page, when all pages are of one moment: nothing was added between them. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "sdk/io/ask.h"

#define WHY_SIZE 128u

struct collection {
    struct pawl_buf events;
    uint32_t count;
    struct pawl_export_page first; /* its texts are gone */
};

static pawl_err page_ask(struct pawl_client *client, const char *id, uint32_t from,
                         struct pawl_result **ret_result)
{
    struct pawl_request request = { .op = PAWL_REQUEST_HISTORY,
                                    .instance = pawl_bytes_str(id),
                                    .from = from,
                                    .limit = PAWL_LOAD_HISTORY_MAX,
                                    .with_payloads = true };
    return pawl_client_ask(client, &request, ret_result);
}

static bool is_of_the_moment(const struct collection *all, const struct pawl_export_page *page)
{
    return page->total == all->first.total && page->gen == all->first.gen
           && pawl_id_is_equal(page->inc, all->first.inc);
}

/* PAWL_E_CONFLICT: the instance has changed since the first page. */
static pawl_err collection_take(struct collection *all, const struct pawl_export_page *page)
{
    if (all->count == 0) all->first = *page;
    if (!is_of_the_moment(all, page)) return PAWL_E_CONFLICT;
    if (page->count == 0 && all->count < page->total) return PAWL_E_CORRUPT;
    if (all->count && page->count) pawl_buf_append_str(&all->events, ",");
    pawl_buf_append(&all->events, page->events.data, page->events.size);
    all->count += page->count;
    return all->events.bad;
}

/* *ret_last is the last page's, also when it says what is wrong. */
static pawl_err collection_read(struct collection *all, struct pawl_client *client, const char *id,
                                struct pawl_result **ret_last)
{
    pawl_err err = PAWL_OK;
    all->count = 0;
    pawl_buf_clear(&all->events);
    do {
        pawl_result_free(*ret_last);
        *ret_last = NULL;
        err = page_ask(client, id, all->count, ret_last);
        if (err == PAWL_OK) err = collection_take(all, &(*ret_last)->page);
    } while (err == PAWL_OK && all->count < all->first.total);
    return err;
}

static pawl_err export_write(const struct collection *all, struct pawl_result *last)
{
    struct pawl_buf buf;
    pawl_buf_init(&buf, PAWL_EXPORT_SIZE_MAX);
    pawl_buf_append(&buf, last->page.head.data, last->page.head.size);
    pawl_buf_printf(&buf, ",\"total\":%u,\"events\":[", all->count);
    struct pawl_bytes events = pawl_buf_view(&all->events);
    pawl_buf_append(&buf, events.data, events.size);
    pawl_buf_append_str(&buf, "],\"waiting\":[");
    pawl_buf_append(&buf, last->page.waiting.data, last->page.waiting.size);
    pawl_buf_append(&buf, "]}", sizeof "]}"); /* and the NUL */
    pawl_err err = buf.bad;
    if (err == PAWL_OK && !pawl_pool_copy(&last->pool, pawl_buf_view(&buf), &last->json))
        err = PAWL_E_NOMEM;
    if (err == PAWL_OK) last->json.size--;
    pawl_buf_deinit(&buf);
    return err;
}

/* What the sidecar has not said. False: it has. */
static bool export_explain(pawl_err err, char ret_why[WHY_SIZE])
{
    switch (err) {
    case PAWL_E_CONFLICT:
        (void)snprintf(ret_why, WHY_SIZE,
                       "the instance changes faster than its history can be read; suspend it, "
                       "then export it");
        return true;
    case PAWL_E_TOO_LARGE:
        (void)snprintf(ret_why, WHY_SIZE, "the history is larger than %u MiB of JSON",
                       PAWL_EXPORT_SIZE_MAX >> 20);
        return true;
    case PAWL_E_CORRUPT:
        (void)snprintf(ret_why, WHY_SIZE,
                       "the sidecar answered with fewer events than it says there are");
        return true;
    default: return false;
    }
}

pawl_err pawl_client_export(struct pawl_client *client, const char *id,
                            struct pawl_result **ret_result)
{
    struct collection all;
    struct pawl_result *last = NULL;
    pawl_buf_init(&all.events, PAWL_EXPORT_SIZE_MAX);
    pawl_err err = PAWL_E_CONFLICT;
    for (uint32_t i = 0; err == PAWL_E_CONFLICT && i < PAWL_EXPORT_MOMENTS_MAX; i++)
        err = collection_read(&all, client, id, &last);
    if (err == PAWL_OK) err = export_write(&all, last);
    pawl_buf_deinit(&all.events);
    char why[WHY_SIZE];
    if (export_explain(err, why)) {
        pawl_result_free(last);
        last = NULL;
        (void)pawl_client_refuse(client, why, &last);
    }
    if (err == PAWL_E_CONFLICT) err = PAWL_E_BUSY;
    if (ret_result)
        *ret_result = last;
    else
        pawl_result_free(last);
    return err;
}
