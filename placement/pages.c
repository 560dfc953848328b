#include "placement/pages.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/json.h"
#include "placement/ring.h"

const char *pawl_placement_problem(const struct pawl_placement_view *view)
{
    const struct pawl_membership_status *status = view->status;
    if (status->settled || !pawl_bytes_is_absent(status->leader)) return NULL;
    if (status->leads)
        return "this replica has just become the leader and listens who is there; member lists "
               "follow in a few seconds";
    if (view->store_error) return view->store_error;
    return "no placement replica leads at this moment";
}

/* JSON ------------------------------------------------------------------------------ */

static void write_text(struct pawl_json *json, const char *key, struct pawl_bytes text)
{
    pawl_json_key(json, key);
    pawl_json_text(json, text);
}

static void write_uint(struct pawl_json *json, const char *key, uint64_t value)
{
    pawl_json_key(json, key);
    pawl_json_uint(json, value);
}

static void write_bool(struct pawl_json *json, const char *key, bool value)
{
    pawl_json_key(json, key);
    pawl_json_bool(json, value);
}

/* As text: it is larger than what a number in JavaScript keeps. */
static void write_version(struct pawl_json *json, uint64_t version)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, version);
    pawl_json_key(json, "version");
    pawl_json_str(json, text);
}

static void write_replica(struct pawl_json *json, const struct pawl_placement_view *view)
{
    const struct pawl_membership_status *status = view->status;
    pawl_json_key(json, "address");
    pawl_json_str(json, view->address);
    write_bool(json, "leads", status->leads);
    pawl_json_key(json, "leader");
    if (status->leads)
        pawl_json_str(json, view->address);
    else if (pawl_bytes_is_absent(status->leader))
        pawl_json_null(json);
    else
        pawl_json_text(json, status->leader);
    if (status->leads) write_uint(json, "epoch", status->epoch);
    const char *problem = pawl_placement_problem(view);
    if (!problem) return;
    pawl_json_key(json, "problem");
    pawl_json_str(json, problem);
}

static bool is_asked_for(struct pawl_bytes filter, struct pawl_bytes name)
{
    return pawl_bytes_is_absent(filter) || pawl_bytes_is_equal(filter, name);
}

static void write_member(struct pawl_json *json, const struct pawl_member *member)
{
    pawl_json_object_begin(json);
    write_text(json, "host", member->host);
    write_text(json, "app", member->app);
    write_text(json, "address", member->address);
    write_uint(json, "partitions", member->partitions);
    write_bool(json, "leaving", member->leaving);
    write_bool(json, "runsActivities", member->runs_activities);
    write_bool(json, "runsWorkflows", member->runs_workflows);
    pawl_json_object_end(json);
}

static void write_members(struct pawl_json *json, const struct pawl_placement_view *view,
                          const struct pawl_members *members, struct pawl_arena *arena)
{
    (void)arena;
    pawl_json_key(json, "members");
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < members->count; i++) {
        if (is_asked_for(view->app, members->items[i].app)) write_member(json, &members->items[i]);
    }
    pawl_json_array_end(json);
}

/* Table ----------------------------------------------------------------------------- */

/* The members of one app stand together in the list. */
struct app_part {
    const struct pawl_member *members;
    uint32_t count;
    uint32_t partitions;
    uint32_t *owners; /* per partition: index into members, or PAWL_RING_NOBODY */
};

static uint32_t app_end(const struct pawl_members *members, uint32_t from)
{
    uint32_t end = from + 1;
    while (end < members->count
           && pawl_bytes_is_equal(members->items[end].app, members->items[from].app))
        end++;
    return end;
}

static void owners_compute(struct app_part *app, struct pawl_arena *arena)
{
    struct pawl_bytes *hosts = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, app->count);
    uint32_t *indexes = PAWL_ARENA_ARRAY(arena, uint32_t, app->count);
    uint32_t hosts_count = 0, rank_max = 1;
    for (uint32_t i = 0; i < app->count; i++) {
        uint32_t rank = pawl_member_owner_rank(&app->members[i]);
        if (rank > rank_max) rank_max = rank;
    }
    for (uint32_t i = 0; i < app->count; i++) {
        if (pawl_member_owner_rank(&app->members[i]) != rank_max) continue;
        hosts[hosts_count] = app->members[i].host;
        indexes[hosts_count++] = i;
    }
    app->owners = PAWL_ARENA_ARRAY(arena, uint32_t, app->partitions);
    pawl_ring_assign(hosts_count, hosts, app->partitions, app->owners);
    for (uint32_t p = 0; p < app->partitions; p++) {
        if (app->owners[p] != PAWL_RING_NOBODY) app->owners[p] = indexes[app->owners[p]];
    }
}

static void write_owner(struct pawl_json *json, const struct app_part *app, uint32_t index)
{
    const struct pawl_member *member = &app->members[index];
    uint32_t count = 0;
    pawl_json_object_begin(json);
    write_text(json, "host", member->host);
    write_text(json, "address", member->address);
    write_bool(json, "leaving", member->leaving);
    write_bool(json, "runsActivities", member->runs_activities);
    write_bool(json, "runsWorkflows", member->runs_workflows);
    pawl_json_key(json, "partitions");
    pawl_json_array_begin(json);
    for (uint32_t p = 0; p < app->partitions; p++) {
        if (app->owners[p] != index) continue;
        pawl_json_uint(json, p);
        count++;
    }
    pawl_json_array_end(json);
    write_uint(json, "count", count);
    pawl_json_object_end(json);
}

static void write_app(struct pawl_json *json, struct app_part *app, struct pawl_arena *arena)
{
    owners_compute(app, arena);
    pawl_json_object_begin(json);
    write_text(json, "app", app->members[0].app);
    write_uint(json, "partitions", app->partitions);
    pawl_json_key(json, "hosts");
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < app->count; i++) write_owner(json, app, i);
    pawl_json_array_end(json);
    pawl_json_object_end(json);
}

static void write_apps(struct pawl_json *json, const struct pawl_placement_view *view,
                       const struct pawl_members *members, struct pawl_arena *arena)
{
    pawl_json_key(json, "apps");
    pawl_json_array_begin(json);
    for (uint32_t from = 0; from < members->count;) {
        uint32_t end = app_end(members, from);
        const struct pawl_member *first = &members->items[from];
        struct app_part app = { first, end - from, first->partitions, NULL };
        if (is_asked_for(view->app, first->app)) write_app(json, &app, arena);
        from = end;
    }
    pawl_json_array_end(json);
}

/* Pages -------------------------------------------------------------------------------- */

typedef void write_home(struct pawl_json *json, const struct pawl_placement_view *view,
                        const struct pawl_members *members, struct pawl_arena *arena);

static void write_page(struct pawl_buf *buf, const struct pawl_placement_view *view,
                       write_home *write, struct pawl_arena *arena)
{
    struct pawl_json json;
    pawl_json_init(&json, buf);
    pawl_json_object_begin(&json);
    write_replica(&json, view);
    pawl_json_key(&json, "namespaces");
    pawl_json_array_begin(&json);
    for (uint32_t i = 0; i < view->status->namespaces_count; i++) {
        const struct pawl_membership_namespace *home = &view->status->namespaces[i];
        if (!is_asked_for(view->namespace_, home->name)) continue;
        pawl_json_object_begin(&json);
        write_text(&json, "namespace", home->name);
        write_version(&json, home->members.version);
        write(&json, view, &home->members, arena);
        pawl_json_object_end(&json);
    }
    pawl_json_array_end(&json);
    pawl_json_object_end(&json);
    pawl_buf_append_str(buf, "\n");
}

void pawl_placement_members_page(struct pawl_buf *buf, const struct pawl_placement_view *view)
{
    write_page(buf, view, write_members, NULL);
}

void pawl_placement_table_page(struct pawl_buf *buf, const struct pawl_placement_view *view,
                               struct pawl_arena *arena)
{
    write_page(buf, view, write_apps, arena);
}

/* Metrics --------------------------------------------------------------------------- */

static void write_head(struct pawl_buf *buf, const char *name, const char *type, const char *help)
{
    pawl_buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_metric(struct pawl_buf *buf, const char *name, const char *type, const char *help,
                         uint64_t value)
{
    write_head(buf, name, type, help);
    pawl_buf_printf(buf, "%s %" PRIu64 "\n", name, value);
}

/* Names hold letters, digits and -_. only, so a label needs no escapes. */
static void write_app_counts(struct pawl_buf *buf, const struct pawl_membership_namespace *home)
{
    const struct pawl_members *members = &home->members;
    for (uint32_t from = 0; from < members->count;) {
        uint32_t end = app_end(members, from), leaving = 0;
        for (uint32_t i = from; i < end; i++) leaving += members->items[i].leaving;
        struct pawl_bytes app = members->items[from].app;
        pawl_buf_printf(buf,
                        "pawl_placement_members{namespace=\"%.*s\",app=\"%.*s\",leaving=\"false\"} "
                        "%" PRIu32 "\n",
                        PAWL_BYTES_FMT(home->name), PAWL_BYTES_FMT(app), end - from - leaving);
        pawl_buf_printf(buf,
                        "pawl_placement_members{namespace=\"%.*s\",app=\"%.*s\",leaving=\"true\"} "
                        "%" PRIu32 "\n",
                        PAWL_BYTES_FMT(home->name), PAWL_BYTES_FMT(app), leaving);
        from = end;
    }
}

static void write_namespaces(struct pawl_buf *buf, const struct pawl_membership_status *status)
{
    write_head(buf, "pawl_placement_members", "gauge", "Sidecars in the member list.");
    for (uint32_t i = 0; i < status->namespaces_count; i++)
        write_app_counts(buf, &status->namespaces[i]);
    write_head(buf, "pawl_placement_list_version", "gauge", "Version of the member list.");
    for (uint32_t i = 0; i < status->namespaces_count; i++) {
        const struct pawl_membership_namespace *home = &status->namespaces[i];
        pawl_buf_printf(buf, "pawl_placement_list_version{namespace=\"%.*s\"} %" PRIu64 "\n",
                        PAWL_BYTES_FMT(home->name), home->members.version);
    }
}

void pawl_placement_metrics_page(struct pawl_buf *buf, const struct pawl_placement_view *view)
{
    const struct pawl_membership_status *status = view->status;
    write_head(buf, "pawl_placement_build_info", "gauge",
               "Constant 1; the label says the release.");
    pawl_buf_printf(buf, "pawl_placement_build_info{version=\"%s\"} 1\n", view->version);
    write_metric(buf, "pawl_placement_leads", "gauge", "1 when this replica leads.", status->leads);
    write_metric(buf, "pawl_placement_ready", "gauge",
                 "1 when this replica leads and publishes, or knows who leads.",
                 pawl_placement_problem(view) == NULL);
    write_metric(buf, "pawl_placement_connections", "gauge", "Open connections of sidecars.",
                 status->connections);
    write_metric(buf, "pawl_placement_lists_total", "counter", "Member lists published.",
                 status->lists_published);
    write_metric(buf, "pawl_placement_joined_total", "counter", "Sidecars that joined.",
                 status->joined);
    write_metric(buf, "pawl_placement_left_total", "counter", "Sidecars that left as announced.",
                 status->left);
    write_metric(buf, "pawl_placement_lost_total", "counter",
                 "Sidecars that went silent or away without leaving.", status->lost);
    write_metric(buf, "pawl_placement_refused_total", "counter", "Sidecars refused.",
                 status->refused);
    write_metric(buf, "pawl_placement_redirected_total", "counter",
                 "Sidecars sent on because another replica leads.", status->redirected);
    write_namespaces(buf, status);
}
