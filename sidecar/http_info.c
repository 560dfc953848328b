#include "sidecar/http_info.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/json_member.h"
#include "base/timetext.h"
#include "sidecar/http_json.h"

void pawl_http_health_reply(struct pawl_http_reply *reply, const struct pawl_api_info *info)
{
    if (info->ready) {
        pawl_buf_clear(&reply->body);
        reply->status = 204;
        reply->type = NULL;
        return;
    }
    const char *why = info->not_ready ? info->not_ready : "the sidecar is starting";
    pawl_http_reply_problem(reply, 503, "ERR_HEALTH_NOT_READY", pawl_bytes_str(why));
}

static void write_registrations(struct pawl_json *json, const char *key, uint32_t count,
                                const struct pawl_registration *registrations)
{
    pawl_json_key(json, key);
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < count; i++) {
        pawl_json_object_begin(json);
        pawl_json_key(json, "name");
        pawl_json_text(json, registrations[i].name);
        if (!pawl_bytes_is_absent(registrations[i].version)) {
            pawl_json_key(json, "version");
            pawl_json_text(json, registrations[i].version);
        }
        pawl_json_object_end(json);
    }
    pawl_json_array_end(json);
}

static void write_worker(struct pawl_json *json, const struct pawl_api_worker *worker)
{
    pawl_json_object_begin(json);
    pawl_json_key(json, "name");
    pawl_json_text(json, worker->name);
    pawl_json_key(json, "inFlight");
    pawl_json_uint(json, worker->in_flight);
    write_registrations(json, "workflows", worker->workflows_count, worker->workflows);
    write_registrations(json, "activities", worker->activities_count, worker->activities);
    pawl_json_object_end(json);
}

static void write_pair(struct pawl_json *json, const char *key, const char *value)
{
    if (!value) return;
    pawl_json_key(json, key);
    pawl_json_str(json, value);
}

static void write_text(struct pawl_json *json, const char *key, struct pawl_bytes value)
{
    if (value.size) pawl_json_member_text(json, key, value);
}

static void write_placement(struct pawl_json *json, const struct pawl_api_placement *placement)
{
    char since[PAWL_TIMETEXT_SIZE];
    pawl_timetext_format(placement->since_ms, since);
    pawl_json_key(json, "placement");
    pawl_json_object_begin(json);
    pawl_json_key(json, "connected");
    pawl_json_bool(json, placement->connected);
    if (placement->since_ms > 0) write_pair(json, "since", since);
    write_text(json, "address", placement->address);
    if (!placement->connected) write_text(json, "problem", placement->message);
    pawl_json_key(json, "version");
    pawl_json_uint(json, placement->version);
    pawl_json_key(json, "members");
    pawl_json_uint(json, placement->members_count);
    pawl_json_object_end(json);
}

static void write_peer(struct pawl_json *json, const struct pawl_api_peer *peer)
{
    pawl_json_object_begin(json);
    write_text(json, "host", peer->host);
    write_text(json, "app", peer->app);
    write_text(json, "address", peer->address);
    write_pair(json, "link", peer->state);
    pawl_json_key(json, "queuedBytes");
    pawl_json_uint(json, peer->queued);
    pawl_json_object_end(json);
}

static void write_peers(struct pawl_json *json, const struct pawl_api_info *info)
{
    pawl_json_key(json, "peers");
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < info->peers_count; i++) write_peer(json, &info->peers[i]);
    pawl_json_array_end(json);
}

static void write_number(struct pawl_json *json, const char *key, uint32_t value)
{
    pawl_json_key(json, key);
    pawl_json_uint(json, value);
}

static void write_limits(struct pawl_json *json, const struct pawl_node_metrics *metrics)
{
    pawl_json_key(json, "limits");
    pawl_json_array_begin(json);
    for (uint32_t i = 0; i < metrics->limits_count; i++) {
        const struct pawl_limit_metrics *limit = &metrics->limits[i];
        pawl_json_object_begin(json);
        write_pair(json, "kind", limit->rule.is_task ? "activity" : "turn");
        write_pair(json, "scope", limit->rule.is_global ? "app" : "sidecar");
        write_text(json, "name", limit->rule.name);
        write_number(json, "limit", limit->rule.max);
        write_number(json, "places", limit->places);
        write_number(json, "running", limit->running);
        write_number(json, "waiting", limit->waiting);
        pawl_json_object_end(json);
    }
    pawl_json_array_end(json);
}

void pawl_http_metadata_reply(struct pawl_http_reply *reply, const struct pawl_api_info *info)
{
    struct pawl_json json;
    pawl_buf_clear(&reply->body);
    reply->status = 200;
    reply->type = "application/json";
    pawl_json_init(&json, &reply->body);
    pawl_json_object_begin(&json);
    write_pair(&json, "id", info->app);
    write_pair(&json, "runtimeVersion", info->version);

    char started[PAWL_TIMETEXT_SIZE];
    pawl_timetext_format(info->started_ms, started);
    pawl_json_key(&json, "extended");
    pawl_json_object_begin(&json);
    write_pair(&json, "namespace", info->namespace_);
    write_pair(&json, "host", info->host);
    write_pair(&json, "store", info->store_url);
    write_pair(&json, "appEndpoint", info->app_endpoint);
    write_pair(&json, "peerEndpoint", info->peer_endpoint);
    write_pair(&json, "startedAt", started);
    write_pair(&json, "ready", info->ready ? "true" : "false");
    if (!info->ready) write_pair(&json, "notReady", info->not_ready);
    pawl_json_object_end(&json);

    pawl_json_key(&json, "workflows");
    pawl_json_object_begin(&json);
    pawl_json_key(&json, "connectedWorkers");
    pawl_json_uint(&json, info->workers_count);
    pawl_json_key(&json, "workers");
    pawl_json_array_begin(&json);
    for (uint32_t i = 0; i < info->workers_count; i++) write_worker(&json, &info->workers[i]);
    pawl_json_array_end(&json);
    pawl_json_object_end(&json);
    if (info->metrics->limits_count) write_limits(&json, info->metrics);
    if (info->placement) {
        write_placement(&json, info->placement);
        write_peers(&json, info);
    }
    pawl_json_object_end(&json);
}
