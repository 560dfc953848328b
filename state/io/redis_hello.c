#include "state/io/redis_hello.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "state/io/redis_conn.h"
#include "state/io/redis_error.h"
#include "state/io/redis_script.h"
#include "state/keys.h"

static pawl_err hello_refuse(struct pawl_redis_hello *hello, pawl_err err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static pawl_err hello_refuse(struct pawl_redis_hello *hello, pawl_err err, const char *format, ...)
{
    int used = snprintf(hello->why, sizeof hello->why, "Redis at %s: ", hello->address->text);
    PAWL_ASSERT(used > 0 && (size_t)used < sizeof hello->why);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(hello->why + used, sizeof hello->why - (size_t)used, format, args);
    va_end(args);
    return err;
}

static void hello_expect(struct pawl_redis_hello *hello, enum pawl_redis_hello_step step, int op)
{
    PAWL_ASSERT(hello->expected_count < PAWL_REDIS_HELLO_STEPS_MAX);
    hello->expected[hello->expected_count].step = step;
    hello->expected[hello->expected_count].op = op;
    hello->expected_count++;
}

/* First half ------------------------------------------------------------------- */

bool pawl_redis_login(struct pawl_buf *out, const char *user, const char *password)
{
    if (!password[0]) return false;
    struct pawl_bytes words[3] = { PAWL_BYTES_LITERAL("AUTH") };
    uint32_t count = 1;
    if (user[0]) words[count++] = pawl_bytes_str(user);
    words[count++] = pawl_bytes_str(password);
    pawl_redis_command(out, count, words);
    return true;
}

static void hello_select(struct pawl_redis_hello *hello, struct pawl_buf *out)
{
    if (hello->url->db == 0) return;
    char db[12];
    (void)snprintf(db, sizeof db, "%u", (unsigned)hello->url->db);
    struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("SELECT"), pawl_bytes_str(db) };
    pawl_redis_command(out, 2, words);
    hello_expect(hello, PAWL_REDIS_HELLO_SELECT, 0);
}

static void hello_name(struct pawl_redis_hello *hello, struct pawl_buf *out)
{
    char name[160];
    (void)snprintf(name, sizeof name, "pawl:%s/%s", hello->namespace_, hello->app);
    struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("CLIENT"), PAWL_BYTES_LITERAL("SETNAME"),
                                  pawl_bytes_str(name) };
    pawl_redis_command(out, 3, words);
    hello_expect(hello, PAWL_REDIS_HELLO_NAME, 0);
}

void pawl_redis_wait(struct pawl_buf *out, const struct pawl_redis_url *url)
{
    char replicas[12], wait_ms[12];
    (void)snprintf(replicas, sizeof replicas, "%u", (unsigned)url->replicas);
    (void)snprintf(wait_ms, sizeof wait_ms, "%u", (unsigned)url->wait_ms);
    struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("WAIT"), pawl_bytes_str(replicas),
                                  pawl_bytes_str(wait_ms) };
    pawl_redis_command(out, 3, words);
}

void pawl_redis_time(struct pawl_buf *out)
{
    struct pawl_bytes word = PAWL_BYTES_LITERAL("TIME");
    pawl_redis_command(out, 1, &word);
}

/* -1 for what is no number up to `max`. */
static int64_t decimal_parse(const struct pawl_redis_value *value, int64_t max)
{
    if (value->kind != PAWL_REDIS_STRING || value->text.size == 0) return -1;
    int64_t number = 0;
    for (size_t i = 0; i < value->text.size; i++) {
        uint8_t c = value->text.data[i];
        if (c < '0' || c > '9') return -1;
        number = number * 10 + (c - '0');
        if (number > max) return -1;
    }
    return number;
}

/* 2020 and the end of 9999: outside, it was never set. */
#define TIME_S_MIN INT64_C(1577836800)
#define TIME_S_MAX INT64_C(253402300799)

bool pawl_redis_time_parse(const struct pawl_redis_value *value, int64_t *ret_unix_ms)
{
    if (value->kind != PAWL_REDIS_ARRAY || value->count != 2) return false;
    int64_t seconds = decimal_parse(&value->items[0], TIME_S_MAX);
    int64_t micros = decimal_parse(&value->items[1], 999999);
    if (seconds < TIME_S_MIN || micros < 0) return false;
    *ret_unix_ms = seconds * 1000 + micros / 1000;
    return true;
}

static void hello_durability(struct pawl_redis_hello *hello, struct pawl_buf *out)
{
    if (hello->url->durability == PAWL_REDIS_D0) return;
    struct pawl_bytes config[] = { PAWL_BYTES_LITERAL("CONFIG"),
                                   PAWL_BYTES_LITERAL("GET"),
                                   PAWL_BYTES_LITERAL("appendonly"),
                                   PAWL_BYTES_LITERAL("appendfsync"),
                                   PAWL_BYTES_LITERAL("min-replicas-to-write"),
                                   PAWL_BYTES_LITERAL("min-replicas-max-lag") };
    pawl_redis_command(out, 6, config);
    hello_expect(hello, PAWL_REDIS_HELLO_CONFIG, 0);
    if (hello->url->durability != PAWL_REDIS_D2) return;
    pawl_redis_wait(out, hello->url);
    hello_expect(hello, PAWL_REDIS_HELLO_WAIT, 0);
}

static void hello_clock(struct pawl_redis_hello *hello, struct pawl_buf *out, int64_t now_ms)
{
    pawl_redis_time(out);
    hello->clock_asked_ms = now_ms;
    hello->clock_tries++;
    hello_expect(hello, PAWL_REDIS_HELLO_CLOCK, 0);
}

void pawl_redis_hello_start(struct pawl_redis_hello *hello, struct pawl_buf *out, int64_t now_ms)
{
    hello->expected_count = 0;
    hello->expected_next = 0;
    hello->second_half = false;
    hello->advice[0] = 0;
    hello->is_schema_ok = false;
    hello->has_clock = false;
    hello->clock_tries = 0;
    if (pawl_redis_login(out, hello->url->user, hello->url->password))
        hello_expect(hello, PAWL_REDIS_HELLO_AUTH, 0);
    hello_select(hello, out);
    hello_name(hello, out);
    struct pawl_bytes role = PAWL_BYTES_LITERAL("ROLE");
    pawl_redis_command(out, 1, &role);
    hello_expect(hello, PAWL_REDIS_HELLO_ROLE, 0);
    if (hello->wants_clock) hello_clock(hello, out, now_ms);
    struct pawl_bytes info[] = { PAWL_BYTES_LITERAL("INFO"), PAWL_BYTES_LITERAL("memory") };
    pawl_redis_command(out, 2, info);
    hello_expect(hello, PAWL_REDIS_HELLO_MEMORY, 0);
    hello_durability(hello, out);
}

/* Second half ------------------------------------------------------------------ */

static void hello_schema(struct pawl_redis_hello *hello, struct pawl_buf *out)
{
    char schema_key[160], probe_key[160], version[12], partitions[12];
    (void)snprintf(schema_key, sizeof schema_key, "{%s||%s}||schema", hello->namespace_,
                   hello->app);
    (void)snprintf(probe_key, sizeof probe_key, "{%s||%s}||probe", hello->namespace_, hello->app);
    (void)snprintf(version, sizeof version, "%u", PAWL_SCHEMA_VERSION);
    (void)snprintf(partitions, sizeof partitions, "%u", (unsigned)hello->partitions);
    struct pawl_bytes words[] = {
        PAWL_BYTES_LITERAL("EVAL"), pawl_redis_script(PAWL_REDIS_SCRIPT_SCHEMA),
        PAWL_BYTES_LITERAL("2"),    pawl_bytes_str(schema_key),
        pawl_bytes_str(probe_key),  pawl_bytes_str(version),
        pawl_bytes_str(partitions)
    };
    pawl_redis_command(out, 7, words);
    hello_expect(hello, PAWL_REDIS_HELLO_SCHEMA, 0);
}

static void hello_schema_read(struct pawl_redis_hello *hello, struct pawl_buf *out)
{
    char schema_key[160];
    (void)snprintf(schema_key, sizeof schema_key, "{%s||%s}||schema", hello->namespace_,
                   hello->app);
    struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("HMGET"), pawl_bytes_str(schema_key),
                                  PAWL_BYTES_LITERAL("version"), PAWL_BYTES_LITERAL("partitions") };
    pawl_redis_command(out, 4, words);
    hello_expect(hello, PAWL_REDIS_HELLO_SCHEMA, 0);
}

/* A script run beside the partition's keys tries out what the others need. */
static void hello_probe(struct pawl_redis_hello *hello, struct pawl_buf *out)
{
    char key[160];
    (void)snprintf(key, sizeof key, "{%s||%s||%03u}||probe", hello->namespace_, hello->app,
                   (unsigned)hello->partition);
    struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("EVAL"),
                                  pawl_redis_script(PAWL_REDIS_SCRIPT_SCHEMA),
                                  PAWL_BYTES_LITERAL("1"), pawl_bytes_str(key) };
    pawl_redis_command(out, 4, words);
    hello_expect(hello, PAWL_REDIS_HELLO_PROBE, 0);
}

static void hello_continue(struct pawl_redis_hello *hello, struct pawl_buf *out)
{
    hello->second_half = true;
    hello->expected_count = 0;
    hello->expected_next = 0;
    for (int op = 1; op < PAWL_STORE_OPS_END; op++) {
        struct pawl_bytes words[] = { PAWL_BYTES_LITERAL("SCRIPT"), PAWL_BYTES_LITERAL("LOAD"),
                                      pawl_redis_script(op) };
        pawl_redis_command(out, 3, words);
        hello_expect(hello, PAWL_REDIS_HELLO_SCRIPT, op);
    }
    bool is_cluster = hello->url->topology == PAWL_REDIS_CLUSTER;
    if (is_cluster && hello->has_partition && !hello->read_only) hello_probe(hello, out);
    if (is_cluster && !hello->has_schema) return;
    if (hello->read_only)
        hello_schema_read(hello, out);
    else
        hello_schema(hello, out);
}

/* Replies ---------------------------------------------------------------------- */

static bool role_is_master(const struct pawl_redis_value *value)
{
    return value->kind == PAWL_REDIS_ARRAY && value->count > 0
           && value->items[0].kind == PAWL_REDIS_STRING
           && pawl_bytes_is_str(value->items[0].text, "master");
}

static void hello_advise(struct pawl_redis_hello *hello, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void hello_advise(struct pawl_redis_hello *hello, const char *format, ...)
{
    size_t used = strlen(hello->advice);
    if (used && used + 2 < sizeof hello->advice) {
        memcpy(hello->advice + used, "; ", 3);
        used += 2;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(hello->advice + used, sizeof hello->advice - used, format, args);
    va_end(args);
}

/* The volatile-… policies touch only keys that expire, and none of ours does. */
static void hello_check_memory(struct pawl_redis_hello *hello, const struct pawl_redis_value *value)
{
    static const char policy[] = "maxmemory_policy:allkeys";
    if (value->kind == PAWL_REDIS_STRING
        && memmem(value->text.data, value->text.size, policy, sizeof policy - 1))
        hello_advise(hello, "it may drop workflow state when its memory is full: set "
                            "maxmemory-policy to noeviction");
}

/* Without a time, which may be an error. */
static void hello_miss_clock(struct pawl_redis_hello *hello)
{
    if (hello->has_clock) return; /* a first answer, which took long, is better than none */
    hello_advise(
        hello, "it does not tell its time (TIME), so this sidecar goes by the clock of its own "
               "machine: let its user run that command, or keep the clocks of all machines right");
}

/* The first reading sets the time, so it had better be a good one. */
static void hello_check_clock(struct pawl_redis_hello *hello, const struct pawl_redis_value *value,
                              struct pawl_buf *out, int64_t now_ms)
{
    struct pawl_clock_reading reading = { .asked_ms = hello->clock_asked_ms,
                                          .answered_ms = now_ms };
    if (!pawl_redis_time_parse(value, &reading.unix_ms)) {
        hello_miss_clock(hello);
        return;
    }
    int64_t took_ms = reading.answered_ms - reading.asked_ms;
    if (!hello->has_clock || took_ms < hello->clock.answered_ms - hello->clock.asked_ms)
        hello->clock = reading;
    hello->has_clock = true;
    if (took_ms > PAWL_STORE_CLOCK_TOOK_MS && hello->clock_tries < PAWL_STORE_CLOCK_TRIES_MAX)
        hello_clock(hello, out, now_ms);
}

/* The value of a setting in name, value, …; absent when it is not there. */
static struct pawl_bytes config_find(const struct pawl_redis_value *value, const char *name)
{
    for (uint32_t i = 0; i + 1 < value->count; i += 2)
        if (value->items[i].kind == PAWL_REDIS_STRING
            && pawl_bytes_is_str(value->items[i].text, name)
            && value->items[i + 1].kind == PAWL_REDIS_STRING)
            return value->items[i + 1].text;
    return PAWL_BYTES_ABSENT;
}

/* 0 for what is no number: a setting that is not there is one that is not set. */
static uint32_t config_number(const struct pawl_redis_value *value, const char *name)
{
    struct pawl_bytes text = config_find(value, name);
    uint32_t number = 0;
    for (size_t i = 0; i < text.size && i < 9; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return 0;
        number = number * 10 + (uint32_t)(text.data[i] - '0');
    }
    return number;
}

#define REPLICAS_LAG_S_MAX 2u

static void hello_check_config(struct pawl_redis_hello *hello, const struct pawl_redis_value *value)
{
    const char *level = hello->url->durability == PAWL_REDIS_D2 ? "d2" : "d1";
    if (value->kind != PAWL_REDIS_ARRAY) {
        hello_advise(hello,
                     "it does not tell its configuration: whether it keeps durability %s is "
                     "not known",
                     level);
        return;
    }
    if (!pawl_bytes_is_str(config_find(value, "appendonly"), "yes"))
        hello_advise(hello, "durability %s needs appendonly yes", level);
    struct pawl_bytes fsync = config_find(value, "appendfsync");
    if (!pawl_bytes_is_str(fsync, "always"))
        hello_advise(hello, "durability %s needs appendfsync always, it is %.*s", level,
                     PAWL_BYTES_FMT(fsync));
    if (hello->url->durability != PAWL_REDIS_D2) return;
    if (config_number(value, "min-replicas-to-write") < hello->url->replicas)
        hello_advise(hello,
                     "durability d2 needs min-replicas-to-write %u, or a master cut off "
                     "from its replicas goes on writing",
                     (unsigned)hello->url->replicas);
    uint32_t lag_s = config_number(value, "min-replicas-max-lag");
    if (lag_s == 0 || lag_s > REPLICAS_LAG_S_MAX)
        hello_advise(hello, "durability d2 needs min-replicas-max-lag 1 or 2, it is %u",
                     (unsigned)lag_s);
}

static pawl_err hello_check_wait(struct pawl_redis_hello *hello,
                                 const struct pawl_redis_value *value)
{
    if (value->kind != PAWL_REDIS_INTEGER)
        return hello_refuse(hello, PAWL_E_UNAVAILABLE, "WAIT gave no number");
    if (value->integer < (int64_t)hello->url->replicas)
        hello_advise(hello,
                     "it has %d replicas and durability d2 needs %u: nothing is confirmed "
                     "until there are so many",
                     (int)value->integer, (unsigned)hello->url->replicas);
    return PAWL_OK;
}

/* 0 for what is no number of partitions. */
static uint32_t partitions_parse(struct pawl_bytes text)
{
    uint32_t number = 0;
    for (size_t i = 0; i < text.size && number <= PAWL_PARTITIONS_MAX; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return 0;
        number = number * 10 + (uint32_t)(text.data[i] - '0');
    }
    return number <= PAWL_PARTITIONS_MAX ? number : 0;
}

/* Schema fields are decimal text; what differs is shown as it is. */
static pawl_err hello_check_schema(struct pawl_redis_hello *hello,
                                   const struct pawl_redis_value *value)
{
    if (hello->read_only && value->kind == PAWL_REDIS_ARRAY && value->count == 2
        && value->items[0].kind == PAWL_REDIS_NIL)
        return hello_refuse(hello, PAWL_E_VERSION,
                            "nothing is stored of app \"%s\" in namespace \"%s\"", hello->app,
                            hello->namespace_);
    if (value->kind != PAWL_REDIS_ARRAY || value->count != 2
        || value->items[0].kind != PAWL_REDIS_STRING || value->items[1].kind != PAWL_REDIS_STRING)
        return hello_refuse(hello, PAWL_E_VERSION, "key {%s||%s}||schema cannot be read",
                            hello->namespace_, hello->app);
    struct pawl_bytes version = value->items[0].text;
    struct pawl_bytes partitions = value->items[1].text;
    char expected[12];
    (void)snprintf(expected, sizeof expected, "%u", PAWL_SCHEMA_VERSION);
    if (!pawl_bytes_is_str(version, expected))
        return hello_refuse(hello, PAWL_E_VERSION,
                            "key {%s||%s}||schema has version %.*s, this program needs version %s",
                            hello->namespace_, hello->app, PAWL_BYTES_FMT(version), expected);
    if (hello->partitions == 0) hello->partitions = partitions_parse(partitions);
    (void)snprintf(expected, sizeof expected, "%u", (unsigned)hello->partitions);
    if (!pawl_bytes_is_str(partitions, expected))
        return hello_refuse(hello, PAWL_E_VERSION,
                            "key {%s||%s}||schema has %.*s partitions, %s are configured; the "
                            "number cannot change after the first start",
                            hello->namespace_, hello->app, PAWL_BYTES_FMT(partitions), expected);
    return PAWL_OK;
}

/* The slot is not, or not quite, here. Requests find out where it is; the schema must be
 * read at least once, so only its real place may be silent about it. */
static bool error_is_elsewhere(const struct pawl_redis_hello *hello,
                               enum pawl_redis_hello_step step, struct pawl_bytes text)
{
    if (hello->url->topology != PAWL_REDIS_CLUSTER) return false;
    if (pawl_redis_error_is(text, "MOVED")) return true;
    return step == PAWL_REDIS_HELLO_PROBE
           && (pawl_redis_error_is(text, "ASK") || pawl_redis_error_is(text, "TRYAGAIN")
               || pawl_redis_error_is(text, "CLUSTERDOWN"));
}

static pawl_err hello_on_error(struct pawl_redis_hello *hello, enum pawl_redis_hello_step step,
                               struct pawl_bytes text)
{
    /* Nice to have: a user may be forbidden to ask for them. */
    bool optional = step == PAWL_REDIS_HELLO_NAME || step == PAWL_REDIS_HELLO_ROLE
                    || step == PAWL_REDIS_HELLO_MEMORY;
    if (optional && pawl_redis_error_is(text, "NOPERM")) return PAWL_OK;
    if (step == PAWL_REDIS_HELLO_CLOCK) {
        hello_miss_clock(hello);
        return PAWL_OK;
    }
    if (step == PAWL_REDIS_HELLO_CONFIG) {
        hello_check_config(hello, &(const struct pawl_redis_value){ .kind = PAWL_REDIS_ERROR });
        return PAWL_OK;
    }
    bool is_script = step == PAWL_REDIS_HELLO_PROBE || step == PAWL_REDIS_HELLO_SCHEMA;
    if (is_script && error_is_elsewhere(hello, step, text)) return PAWL_OK;
    char why[PAWL_REDIS_ERROR_TEXT_SIZE];
    pawl_redis_error_explain(text, step == PAWL_REDIS_HELLO_AUTH, why);
    return hello_refuse(hello, PAWL_E_UNAVAILABLE, "%s", why);
}

static pawl_err hello_on_step(struct pawl_redis_hello *hello, enum pawl_redis_hello_step step,
                              int op, const struct pawl_redis_value *value, struct pawl_buf *out,
                              int64_t now_ms)
{
    switch (step) {
    case PAWL_REDIS_HELLO_AUTH:
    case PAWL_REDIS_HELLO_SELECT:
    case PAWL_REDIS_HELLO_NAME: return PAWL_OK;
    case PAWL_REDIS_HELLO_ROLE:
        if (role_is_master(value)) return PAWL_OK;
        return hello_refuse(hello, PAWL_E_UNAVAILABLE, "is a replica, not the master");
    case PAWL_REDIS_HELLO_CLOCK: hello_check_clock(hello, value, out, now_ms); return PAWL_OK;
    case PAWL_REDIS_HELLO_MEMORY: hello_check_memory(hello, value); return PAWL_OK;
    case PAWL_REDIS_HELLO_CONFIG: hello_check_config(hello, value); return PAWL_OK;
    case PAWL_REDIS_HELLO_WAIT: return hello_check_wait(hello, value);
    case PAWL_REDIS_HELLO_SCRIPT:
        if (value->kind != PAWL_REDIS_STRING || value->text.size != 40)
            return hello_refuse(hello, PAWL_E_UNAVAILABLE, "SCRIPT LOAD gave no SHA1");
        memcpy(hello->sha[op], value->text.data, 40);
        hello->sha[op][40] = 0;
        return PAWL_OK;
    case PAWL_REDIS_HELLO_PROBE: return PAWL_OK;
    case PAWL_REDIS_HELLO_SCHEMA: {
        pawl_err err = hello_check_schema(hello, value);
        hello->is_schema_ok = err == PAWL_OK;
        return err;
    }
    }
    PAWL_UNREACHABLE("every step is handled");
}

pawl_err pawl_redis_hello_on_value(struct pawl_redis_hello *hello,
                                   const struct pawl_redis_value *value, struct pawl_buf *out,
                                   int64_t now_ms, bool *ret_done)
{
    PAWL_ASSERT(hello->expected_next < hello->expected_count);
    enum pawl_redis_hello_step step = hello->expected[hello->expected_next].step;
    int op = hello->expected[hello->expected_next].op;
    hello->expected_next++;

    pawl_err err = value->kind == PAWL_REDIS_ERROR
                       ? hello_on_error(hello, step, value->text)
                       : hello_on_step(hello, step, op, value, out, now_ms);
    if (err) return err;
    *ret_done = false;
    if (hello->expected_next < hello->expected_count) return PAWL_OK;
    if (hello->second_half)
        *ret_done = true;
    else
        hello_continue(hello, out);
    return PAWL_OK;
}
