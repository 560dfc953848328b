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
    json_array_foreach(registrations, i, registration) {
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
    json_array_foreach(workers, i, worker) {
        names_add(json_object_get(worker, "workflows"), sidecar->workflows,
                  &sidecar->workflows_count);
        names_add(json_object_get(worker, "activities"), sidecar->activities,
                  &sidecar->activities_count);
    }
}

/* What placement says about who is there -------------------------------------------------- */

static struct pawl_doctor_app *app_of(struct pawl_doctor_placement *placement, const char *name)
{
    for (uint32_t i = 0; i < placement->apps_count; i++)
        if (strcmp(placement->apps[i].name, name) == 0) return &placement->apps[i];
    if (placement->apps_count == PAWL_DOCTOR_NAMES_MAX) return NULL;
    struct pawl_doctor_app *app = &placement->apps[placement->apps_count++];
    app->name = name;
    return app;
}

static void members_read(const json_t *members, struct pawl_doctor_placement *placement)
{
    size_t i;
    json_t *member;
    json_array_foreach(members, i, member) {
        const char *name = json_string_value(json_object_get(member, "app"));
        struct pawl_doctor_app *app = name ? app_of(placement, name) : NULL;
        if (!app) continue;
        app->sidecars++;
        app->with_activities += json_is_true(json_object_get(member, "runsActivities"));
    }
}

/* Texts point into `page`. */
static void placement_read(const json_t *page, const char *namespace_,
                           struct pawl_doctor_placement *placement)
{
    size_t i;
    json_t *home;
    const json_t *namespaces = json_object_get(page, "namespaces");
    placement->error = json_string_value(json_object_get(page, "problem"));
    if (!json_is_array(namespaces)) placement->error = "this is no answer of a placement service";
    json_array_foreach(namespaces, i, home) {
        const char *name = json_string_value(json_object_get(home, "namespace"));
        if (name && strcmp(name, namespace_) == 0)
            members_read(json_object_get(home, "members"), placement);
    }
}

/* ------------------------------------------------------------------------------------------ */

/* NULL: *ret_error, kept in the answer, says why. */
static json_t *ask(const char *base, const char *path, const char *token,
                   struct pawl_client_answer *answer, const char **ret_error)
{
    char url[1024];
    size_t size = strlen(base);
    bool has_slash = size > 0 && base[size - 1] == '/';
    (void)snprintf(url, sizeof url, "%s%s%s", base, has_slash ? "" : "/", path);
    const struct pawl_client_request request = {
        .method = "GET", .url = url, .token = token, .timeout_ms = ASK_TIMEOUT_MS
    };
    pawl_client_perform(&request, answer);
    *ret_error = answer->error;
    if (answer->status == 0) return NULL;
    if (answer->status != 200) {
        (void)snprintf(answer->error, sizeof answer->error, "HTTP status %ld", answer->status);
        return NULL;
    }
    json_t *json = json_loadb((const char *)answer->body.data, answer->body.size, 0, NULL);
    if (json)
        *ret_error = NULL;
    else
        (void)snprintf(answer->error, sizeof answer->error, "the answer is no JSON");
    return json;
}

static int run(const struct pawl_cli_options *options, const struct pawl_doctor_sidecar *sidecar,
               const struct pawl_doctor_placement *placement)
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
        .namespace_ = options->namespace_,
        .instance = options->id,
        .stuck_ms = options->stuck_ms >= 0 ? options->stuck_ms : STUCK_MS,
        .sidecar = sidecar,
        .placement = placement,
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

int pawl_cli_doctor(const struct pawl_cli_options *given)
{
    struct pawl_doctor_sidecar sidecar = { .url = given->http };
    struct pawl_doctor_placement placement = { .url = given->placement };
    struct pawl_cli_options options = *given;
    struct pawl_client_answer answers[2] = { { .status = 0 }, { .status = 0 } };
    json_t *metadata = NULL, *members = NULL;
    if (!options.namespace_) options.namespace_ = "default";
    for (int i = 0; i < 2; i++) pawl_buf_init(&answers[i].body, TEXT_SIZE_MAX);
    if (options.http)
        metadata = ask(options.http, "v1.0/metadata", options.token, &answers[0], &sidecar.error);
    if (metadata) sidecar_read(metadata, &sidecar);
    if (options.placement)
        members =
            ask(options.placement, "v1.0/placement/members", NULL, &answers[1], &placement.error);
    if (members) placement_read(members, options.namespace_, &placement);
    int code = run(&options, &sidecar, &placement);
    json_decref(metadata);
    json_decref(members);
    for (int i = 0; i < 2; i++) pawl_buf_deinit(&answers[i].body);
    return code;
}
