#include "cli/io/doctor.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "cli/io/client.h"
#include "doctor/io/doctor.h"

#define TEXT_SIZE_MAX  ((size_t)256 << 20)
#define STUCK_MS       60000
#define ASK_TIMEOUT_MS 5000

/* What a sidecar says about its workers -------------------------------------------------- */

static void names_add(const json_t *registrations, const char *names[PAWL_DOCTOR_NAMES_MAX],
                      uint32_t *count)
{
    size_t i;
    json_t *registration;
    json_array_foreach(registrations, i, registration)
    {
        const char *name = json_string_value(json_object_get(registration, "name"));
        if (name && *count < PAWL_DOCTOR_NAMES_MAX) names[(*count)++] = name;
    }
}

/* Texts point into `metadata`. */
static void sidecar_read(const json_t *metadata, struct pawl_doctor_sidecar *sidecar)
{
    const json_t *workflows = json_object_get(metadata, "workflows");
    const json_t *workers = json_object_get(workflows, "workers");
    size_t i;
    json_t *worker;
    sidecar->app = json_string_value(json_object_get(metadata, "id"));
    if (!sidecar->app || !json_is_array(workers)) {
        sidecar->error = "this is no answer of a sidecar";
        return;
    }
    sidecar->workers = (uint32_t)json_integer_value(json_object_get(workflows, "connectedWorkers"));
    json_array_foreach(workers, i, worker)
    {
        names_add(json_object_get(worker, "workflows"), sidecar->workflows,
                  &sidecar->workflows_count);
        names_add(json_object_get(worker, "activities"), sidecar->activities,
                  &sidecar->activities_count);
    }
}

static json_t *sidecar_ask(const struct pawl_cli_options *options,
                           struct pawl_client_answer *answer, struct pawl_doctor_sidecar *sidecar)
{
    char url[1024];
    size_t size = strlen(options->http);
    bool has_slash = size > 0 && options->http[size - 1] == '/';
    (void)snprintf(url, sizeof url, "%s%sv1.0/metadata", options->http, has_slash ? "" : "/");
    const struct pawl_client_request request = {
        .method = "GET", .url = url, .token = options->token, .timeout_ms = ASK_TIMEOUT_MS
    };
    sidecar->url = options->http;
    pawl_client_perform(&request, answer);
    if (answer->status == 0) {
        sidecar->error = answer->error;
        return NULL;
    }
    if (answer->status != 200) {
        (void)snprintf(answer->error, sizeof answer->error, "HTTP status %ld", answer->status);
        sidecar->error = answer->error;
        return NULL;
    }
    json_t *metadata = json_loadb((const char *)answer->body.data, answer->body.size, 0, NULL);
    sidecar_read(metadata, sidecar);
    return metadata;
}

/* ------------------------------------------------------------------------------------------ */

static int run(const struct pawl_cli_options *options, const struct pawl_doctor_sidecar *sidecar)
{
    if (sidecar->app && strcmp(sidecar->app, options->app_id) != 0) {
        (void)fprintf(stderr,
                      "pawl: the sidecar at %s serves app \"%s\", not \"%s\"\n"
                      "Name one that serves the app, or leave --http away.\n",
                      options->http, sidecar->app, options->app_id);
        return PAWL_DOCTOR_UNREACHABLE;
    }
    const struct pawl_doctor_subject subject = {
        .store = options->store,
        .app = options->app_id,
        .namespace_ = options->namespace_ ? options->namespace_ : "default",
        .instance = options->id,
        .stuck_ms = options->stuck_ms >= 0 ? options->stuck_ms : STUCK_MS,
        .sidecar = sidecar,
    };
    struct pawl_buf text;
    pawl_buf_init(&text, TEXT_SIZE_MAX);
    enum pawl_doctor_outcome outcome = pawl_doctor_run(&subject, options->json, &text);
    if (outcome == PAWL_DOCTOR_UNREACHABLE)
        (void)fprintf(stderr, "pawl: %.*s\n", (int)text.size, (const char *)text.data);
    else
        (void)fwrite(text.data, 1, text.size, stdout);
    pawl_buf_deinit(&text);
    return (int)outcome;
}

int pawl_cli_doctor(const struct pawl_cli_options *options)
{
    struct pawl_doctor_sidecar sidecar = { .url = NULL };
    struct pawl_client_answer answer = { .status = 0 };
    pawl_buf_init(&answer.body, TEXT_SIZE_MAX);
    json_t *metadata = NULL;
    if (options->http) metadata = sidecar_ask(options, &answer, &sidecar);
    int code = run(options, &sidecar);
    json_decref(metadata);
    pawl_buf_deinit(&answer.body);
    return code;
}
