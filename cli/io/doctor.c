#include "cli/io/doctor.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
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

static uint32_t number_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value < 0 || value > UINT32_MAX ? 0 : (uint32_t)value;
}

static bool is_text(const json_t *object, const char *key, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && strcmp(text, wanted) == 0;
}

static void limits_read(const json_t *limits, struct pawl_doctor_sidecar *sidecar)
{
    size_t i;
    json_t *limit;
    json_array_foreach(limits, i, limit) {
        if (sidecar->limits_count == PAWL_PEER_PLACES_MAX) return;
        sidecar->limits[sidecar->limits_count++] = (struct pawl_doctor_limit){
            .is_activity = is_text(limit, "kind", "activity"),
            .is_of_app = is_text(limit, "scope", "app"),
            .name = json_string_value(json_object_get(limit, "name")),
            .max = number_of(limit, "limit"),
            .places = number_of(limit, "places"),
            .running = number_of(limit, "running"),
            .waiting = number_of(limit, "waiting"),
        };
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
    sidecar->workers = number_of(workflows, "connectedWorkers");
    limits_read(json_object_get(metadata, "limits"), sidecar);
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

/* Those that --http names, separated by commas. */
struct asked {
    char *urls; /* cut into pieces */
    uint32_t count;
    struct pawl_doctor_sidecar sidecars[PAWL_DOCTOR_SIDECARS_MAX];
    struct pawl_client_answer answers[PAWL_DOCTOR_SIDECARS_MAX];
    json_t *metadata[PAWL_DOCTOR_SIDECARS_MAX];
};

/* False: there are too many of them. */
static bool sidecars_ask(struct asked *asked, const char *urls, const char *token)
{
    size_t size = strlen(urls) + 1;
    char *rest = asked->urls = pawl_mem_alloc(size);
    memcpy(rest, urls, size);
    for (char *url; (url = strsep(&rest, ",")) != NULL;) {
        if (url[0] == 0) continue;
        if (asked->count == PAWL_DOCTOR_SIDECARS_MAX) return false;
        uint32_t i = asked->count++;
        struct pawl_doctor_sidecar *sidecar = &asked->sidecars[i];
        sidecar->url = url;
        pawl_buf_init(&asked->answers[i].body, TEXT_SIZE_MAX);
        asked->metadata[i] = ask(url, "v1.0/metadata", token, &asked->answers[i], &sidecar->error);
        if (asked->metadata[i]) sidecar_read(asked->metadata[i], sidecar);
    }
    return true;
}

static void asked_free(struct asked *asked)
{
    for (uint32_t i = 0; i < asked->count; i++) {
        json_decref(asked->metadata[i]);
        pawl_buf_deinit(&asked->answers[i].body);
    }
    pawl_mem_free(asked->urls);
    pawl_mem_free(asked);
}

/* NULL: all of them serve the app. */
static const struct pawl_doctor_sidecar *stranger(const struct asked *asked, const char *app)
{
    for (uint32_t i = 0; i < asked->count; i++) {
        const struct pawl_doctor_sidecar *sidecar = &asked->sidecars[i];
        if (sidecar->app && strcmp(sidecar->app, app) != 0) return sidecar;
    }
    return NULL;
}

static int run(const struct pawl_cli_options *options, const struct asked *asked,
               const struct pawl_doctor_placement *placement)
{
    const struct pawl_doctor_sidecar *other = stranger(asked, options->app_id);
    if (other) {
        (void)fprintf(stderr,
                      "pawl: the sidecar at %s serves app \"%s\", not \"%s\"\n"
                      "Name one that serves the app, or leave --http away.\n",
                      other->url, other->app, options->app_id);
        return PAWL_DOCTOR_UNREACHABLE;
    }
    const struct pawl_doctor_subject subject = {
        .store = options->store,
        .app = options->app_id,
        .namespace_ = options->namespace_,
        .instance = options->id,
        .stuck_ms = options->stuck_ms >= 0 ? options->stuck_ms : STUCK_MS,
        .sidecars_count = asked->count,
        .sidecars = asked->sidecars,
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

static int doctor(const struct pawl_cli_options *options, const struct asked *asked)
{
    struct pawl_doctor_placement placement = { .url = options->placement };
    struct pawl_client_answer answer = { .status = 0 };
    json_t *members = NULL;
    pawl_buf_init(&answer.body, TEXT_SIZE_MAX);
    if (options->placement)
        members =
            ask(options->placement, "v1.0/placement/members", NULL, &answer, &placement.error);
    if (members) placement_read(members, options->namespace_, &placement);
    int code = run(options, asked, &placement);
    json_decref(members);
    pawl_buf_deinit(&answer.body);
    return code;
}

int pawl_cli_doctor(const struct pawl_cli_options *given)
{
    struct pawl_cli_options options = *given;
    struct asked *asked = PAWL_NEW(struct asked);
    int code = PAWL_DOCTOR_UNREACHABLE;
    if (!options.namespace_) options.namespace_ = "default";
    if (sidecars_ask(asked, options.http ? options.http : "", options.token))
        code = doctor(&options, asked);
    else
        (void)fprintf(stderr, "pawl: --http names more than %u sidecars; name those that matter\n",
                      PAWL_DOCTOR_SIDECARS_MAX);
    asked_free(asked);
    return code;
}
