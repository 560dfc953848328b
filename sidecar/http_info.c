#include "sidecar/http_info.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/timetext.h"

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
    pawl_json_object_end(&json);
}
