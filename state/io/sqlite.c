/* SQLite behind the port: one worker thread owns the connection.
 *
 *   loop thread                          worker thread
 *   submit: copy onto `submitted`
 *   flush:  move to `waiting`   ------>  take all, one transaction, COMMIT
 *   on_wakeup: reply            <------  move to `done`
 *
 * What piles up while one transaction syncs is the next transaction, so the disk is
 * asked once for many requests. A reply leaves only after its COMMIT succeeded.
 *
 * Operations check first and write after, so a refused one leaves nothing behind and
 * needs no savepoint. One that fails in the middle (a damaged row, say) takes the
 * whole transaction back; it is answered with its error and the others run again. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/list.h"
#include "base/mem.h"
#include "state/copy.h"
#include "state/io/backends.h"
#include "state/io/sqlite_db.h"

#define BATCH_JOBS_MAX 512u /* more wait for the next transaction */
#define SPARE_JOBS_MAX 256u /* kept with their memory for reuse */
#define PROBE_EVERY_NS 1000000000u

struct job {
    struct pawl_list link;
    struct pawl_arena arena;
    struct pawl_store_request request;
    struct pawl_store_reply reply;
    bool is_settled; /* its error is final, do not run it again */
};

struct sqlite_store {
    struct pawl_store store; /* first: the port hands this pointer back */
    struct pawl_store_config config;
    uv_async_t wakeup;
    uv_thread_t thread;
    struct pawl_sqlite_db db; /* the worker's alone while it runs */

    /* The loop's alone. */
    struct pawl_list submitted;
    struct pawl_list spare;
    uint32_t spare_count;
    bool told; /* on_state was called */
    bool told_ready;
    bool draining;

    /* Shared, under the mutex. */
    uv_mutex_t mutex;
    uv_cond_t changed;
    struct pawl_list waiting;
    struct pawl_list done;
    bool stop;
    bool ready;
    char why[256];
};

static struct sqlite_store *self_of(struct pawl_store *store)
{
    return PAWL_CONTAINER_OF(store, struct sqlite_store, store);
}

/* Lists of jobs ------------------------------------------------------------------ */

static struct job *job_of(struct pawl_list *link)
{
    return PAWL_CONTAINER_OF(link, struct job, link);
}

static struct job *job_take(struct pawl_list *jobs)
{
    struct job *job = job_of(jobs->next);
    pawl_list_remove(&job->link);
    return job;
}

/* All of `from` to the end of `to`, in constant time. */
static void jobs_move(struct pawl_list *from, struct pawl_list *to)
{
    if (pawl_list_is_empty(from)) return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    pawl_list_init(from);
}

static void job_free(struct job *job)
{
    pawl_arena_deinit(&job->arena);
    pawl_mem_free(job);
}

static struct job *job_new(struct sqlite_store *self)
{
    if (!pawl_list_is_empty(&self->spare)) {
        self->spare_count--;
        return job_take(&self->spare);
    }
    struct job *job = PAWL_NEW(struct job);
    pawl_arena_init(&job->arena);
    return job;
}

static void job_retire(struct sqlite_store *self, struct job *job)
{
    if (self->spare_count == SPARE_JOBS_MAX) {
        job_free(job);
        return;
    }
    pawl_arena_reset(&job->arena);
    pawl_list_push_tail(&self->spare, &job->link);
    self->spare_count++;
}

/* Worker: errors ------------------------------------------------------------------ */

/* The machine's fault: it would hit every other request as well. */
static bool failure_is_general(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM: return true;
    default: return false;
    }
}

/* The instance a request is about; absent: the whole partition. */
static struct pawl_bytes instance_of(const struct pawl_store_request *request)
{
    switch (request->op) {
    case PAWL_STORE_CREATE: return request->create.instance;
    case PAWL_STORE_LOAD: return request->load.instance;
    case PAWL_STORE_COMMIT: return request->commit.instance;
    case PAWL_STORE_DELIVER: return request->deliver.instance;
    case PAWL_STORE_PURGE: return request->purge.instance;
    case PAWL_STORE_INSPECT: return request->inspect.instance;
    default: return PAWL_BYTES_ABSENT;
    }
}

static void job_fail(struct job *job, pawl_err err, const char *why)
{
    job->reply = (struct pawl_store_reply){ .token = job->request.token,
                                            .op = job->request.op,
                                            .partition = job->request.partition,
                                            .err = err };
    job->reply.message = pawl_arena_printf(&job->arena, "%s", why); /* ends with a 0 */
    job->is_settled = true;
}

static void job_corrupt(struct job *job, const char *why)
{
    struct pawl_bytes instance = instance_of(&job->request);
    job_fail(job, PAWL_E_CORRUPT, why);
    job->reply.message = pawl_arena_printf(&job->arena, "partition %u, instance \"%.*s\": %s",
                                           job->request.partition, PAWL_BYTES_FMT(instance), why);
}

static void jobs_fail(struct pawl_list *jobs, pawl_err err, const char *why)
{
    for (struct pawl_list *link = jobs->next; link != jobs; link = link->next)
        if (!job_of(link)->is_settled) job_fail(job_of(link), err, why);
}

/* Worker: transactions ------------------------------------------------------------ */

typedef void operation(struct pawl_sqlite_db *db, const struct pawl_store_request *request,
                       struct pawl_arena *arena, struct pawl_store_reply *reply);

static void job_run(struct pawl_sqlite_db *db, struct job *job)
{
    static operation *const operations[PAWL_STORE_OPS_END] = {
        [PAWL_STORE_ACQUIRE] = pawl_sqlite_acquire, [PAWL_STORE_CREATE] = pawl_sqlite_create,
        [PAWL_STORE_LOAD] = pawl_sqlite_load,       [PAWL_STORE_COMMIT] = pawl_sqlite_commit,
        [PAWL_STORE_DELIVER] = pawl_sqlite_deliver, [PAWL_STORE_POLL] = pawl_sqlite_poll,
        [PAWL_STORE_PURGE] = pawl_sqlite_purge,     [PAWL_STORE_OUTDONE] = pawl_sqlite_outdone,
        [PAWL_STORE_QUERY] = pawl_sqlite_query,     [PAWL_STORE_INSPECT] = pawl_sqlite_inspect,
        [PAWL_STORE_CHANGES] = pawl_sqlite_changes,
    };
    job->reply = (struct pawl_store_reply){ .token = job->request.token,
                                            .op = job->request.op,
                                            .partition = job->request.partition };
    operations[job->request.op](db, &job->request, &job->arena, &job->reply);
}

/* Also after a failure that has already taken the transaction back by itself. */
static void roll_back(struct pawl_sqlite_db *db)
{
    db->failed = SQLITE_OK;
    if (sqlite3_get_autocommit(db->connection)) return;
    pawl_sqlite_run(db, pawl_sqlite_use(db, PAWL_SQL_ROLLBACK));
    db->failed = SQLITE_OK;
}

/* The job whose operation failed, or NULL. */
static struct job *jobs_run(struct pawl_sqlite_db *db, struct pawl_list *jobs)
{
    for (struct pawl_list *link = jobs->next; link != jobs; link = link->next) {
        struct job *job = job_of(link);
        if (job->is_settled) continue;
        job_run(db, job);
        if (db->failed != SQLITE_OK) return job;
    }
    return NULL;
}

enum attempt { ATTEMPT_DONE, ATTEMPT_AGAIN };

static enum attempt refuse_all(struct sqlite_store *self, struct pawl_list *jobs, pawl_err err)
{
    jobs_fail(jobs, err, self->db.message);
    roll_back(&self->db);
    return ATTEMPT_DONE;
}

static enum attempt batch_attempt(struct sqlite_store *self, struct pawl_list *jobs)
{
    struct pawl_sqlite_db *db = &self->db;
    pawl_sqlite_run(db, pawl_sqlite_use(db, PAWL_SQL_BEGIN));
    if (db->failed != SQLITE_OK) return refuse_all(self, jobs, PAWL_E_UNAVAILABLE);

    struct job *broken = jobs_run(db, jobs);
    if (broken && failure_is_general(db->failed)) return refuse_all(self, jobs, PAWL_E_UNAVAILABLE);
    if (broken) {
        job_corrupt(broken, db->message);
        roll_back(db);
        return ATTEMPT_AGAIN;
    }

    pawl_sqlite_run(db, pawl_sqlite_use(db, PAWL_SQL_COMMIT));
    if (db->failed == SQLITE_OK) return ATTEMPT_DONE;
    /* A lock that was not given changed nothing. After any other failure the commit
     * record may have reached the disk: it would count after a crash. */
    bool is_certain = (db->failed & 0xff) == SQLITE_BUSY;
    return refuse_all(self, jobs, is_certain ? PAWL_E_UNAVAILABLE : PAWL_E_UNKNOWN);
}

/* Ends: each further attempt has one job less to run. */
static void batch_run(struct sqlite_store *self, struct pawl_list *jobs)
{
    while (batch_attempt(self, jobs) == ATTEMPT_AGAIN) {
    }
}

/* After trouble with the disk: does a small transaction go through again? */
static bool probe(struct sqlite_store *self)
{
    struct pawl_sqlite_db *db = &self->db;
    pawl_sqlite_run(db, pawl_sqlite_use(db, PAWL_SQL_BEGIN));
    pawl_sqlite_run(db, pawl_sqlite_use(db, PAWL_SQL_PROBE));
    pawl_sqlite_run(db, pawl_sqlite_use(db, PAWL_SQL_COMMIT));
    bool is_well = db->failed == SQLITE_OK;
    roll_back(db);
    return is_well;
}

/* Worker: thread ------------------------------------------------------------------ */

static uint32_t batch_take(struct sqlite_store *self, struct pawl_list *batch)
{
    uint32_t count = 0;
    while (count < BATCH_JOBS_MAX && !pawl_list_is_empty(&self->waiting)) {
        pawl_list_push_tail(batch, &job_take(&self->waiting)->link);
        count++;
    }
    return count;
}

static bool jobs_are_well(struct pawl_list *jobs, const char **ret_why)
{
    for (struct pawl_list *link = jobs->next; link != jobs; link = link->next) {
        const struct pawl_store_reply *reply = &job_of(link)->reply;
        if (reply->err != PAWL_E_UNAVAILABLE && reply->err != PAWL_E_UNKNOWN) continue;
        *ret_why = (const char *)reply->message.data;
        return false;
    }
    return true;
}

/* With the mutex held; it is released while the database works. */
static void work_once(struct sqlite_store *self)
{
    struct pawl_list batch;
    pawl_list_init(&batch);
    const char *why = "";
    bool is_probe = batch_take(self, &batch) == 0;

    uv_mutex_unlock(&self->mutex);
    bool is_well;
    if (is_probe) {
        is_well = probe(self);
        why = self->db.message;
    } else {
        batch_run(self, &batch);
        is_well = jobs_are_well(&batch, &why);
    }
    uv_mutex_lock(&self->mutex);

    if (!is_well) snprintf(self->why, sizeof self->why, "%s", why);
    bool state_changed = self->ready != is_well;
    self->ready = is_well;
    jobs_move(&batch, &self->done);
    if (!is_probe || state_changed) uv_async_send(&self->wakeup);
}

static void worker(void *context)
{
    struct sqlite_store *self = context;
    uv_mutex_lock(&self->mutex);
    while (!self->stop) {
        bool is_idle = pawl_list_is_empty(&self->waiting);
        if (is_idle && self->ready) {
            uv_cond_wait(&self->changed, &self->mutex);
            continue;
        }
        if (is_idle && uv_cond_timedwait(&self->changed, &self->mutex, PROBE_EVERY_NS) == 0)
            continue;
        work_once(self);
    }
    uv_mutex_unlock(&self->mutex);
}

/* Loop ---------------------------------------------------------------------------- */

static void sqlite_submit(struct pawl_store *store, const struct pawl_store_request *request)
{
    struct sqlite_store *self = self_of(store);
    PAWL_ASSERT(request->op > 0);
    PAWL_ASSERT(request->op < PAWL_STORE_OPS_END);
    struct job *job = job_new(self);
    job->is_settled = false;
    pawl_store_request_copy(&job->arena, request, &job->request);
    pawl_list_push_tail(&self->submitted, &job->link);
}

static void sqlite_flush(struct pawl_store *store)
{
    struct sqlite_store *self = self_of(store);
    if (pawl_list_is_empty(&self->submitted)) return;
    uv_mutex_lock(&self->mutex);
    jobs_move(&self->submitted, &self->waiting);
    uv_cond_signal(&self->changed);
    uv_mutex_unlock(&self->mutex);
}

static void state_tell(struct sqlite_store *self, bool ready, const char *why)
{
    if (self->told && self->told_ready == ready) return;
    self->told = true;
    self->told_ready = ready;
    if (self->config.on_state)
        self->config.on_state(self->config.context, ready, ready ? NULL : why);
}

static void jobs_reply(struct sqlite_store *self, struct pawl_list *jobs)
{
    while (!pawl_list_is_empty(jobs)) {
        struct job *job = job_take(jobs);
        self->config.on_reply(self->config.context, &job->reply);
        job_retire(self, job);
    }
}

static void on_wakeup(uv_async_t *wakeup)
{
    struct sqlite_store *self = wakeup->data;
    struct pawl_list done;
    pawl_list_init(&done);
    char why[sizeof self->why];

    uv_mutex_lock(&self->mutex);
    jobs_move(&self->done, &done);
    bool ready = self->ready;
    memcpy(why, self->why, sizeof why);
    uv_mutex_unlock(&self->mutex);

    self->draining = true;
    state_tell(self, ready, why);
    jobs_reply(self, &done);
    self->draining = false;
}

static void store_free(struct sqlite_store *self)
{
    while (!pawl_list_is_empty(&self->spare)) job_free(job_take(&self->spare));
    uv_cond_destroy(&self->changed);
    uv_mutex_destroy(&self->mutex);
    pawl_mem_free(self);
}

static void on_closed(uv_handle_t *handle)
{
    store_free(handle->data);
}

static void sqlite_close(struct pawl_store *store)
{
    struct sqlite_store *self = self_of(store);
    PAWL_ASSERT(!self->draining);
    uv_mutex_lock(&self->mutex);
    self->stop = true;
    uv_cond_signal(&self->changed);
    uv_mutex_unlock(&self->mutex);
    uv_thread_join(&self->thread);
    pawl_sqlite_db_close(&self->db);

    /* What was committed in time gets its true answer, the rest was never begun. */
    jobs_move(&self->submitted, &self->waiting);
    jobs_fail(&self->waiting, PAWL_E_UNAVAILABLE,
              "the store was closed before the request was applied");
    jobs_move(&self->waiting, &self->done);
    jobs_reply(self, &self->done);
    uv_close((uv_handle_t *)&self->wakeup, on_closed);
}

/* Open ---------------------------------------------------------------------------- */

static const struct pawl_store_ops sqlite_ops = { sqlite_submit, sqlite_flush, sqlite_close };

static _Thread_local char open_message[256];

static pawl_err refuse(const char **ret_message, pawl_err err, const char *text)
{
    snprintf(open_message, sizeof open_message, "%s", text);
    *ret_message = open_message;
    return err;
}

static struct sqlite_store *store_new(const struct pawl_store_config *config)
{
    struct sqlite_store *self = PAWL_NEW(struct sqlite_store);
    self->store.ops = &sqlite_ops;
    self->config = *config;
    self->ready = true;
    pawl_list_init(&self->submitted);
    pawl_list_init(&self->spare);
    pawl_list_init(&self->waiting);
    pawl_list_init(&self->done);
    int code = uv_mutex_init(&self->mutex);
    PAWL_ASSERT(code == 0);
    code = uv_cond_init(&self->changed);
    PAWL_ASSERT(code == 0);
    return self;
}

static pawl_err start(struct sqlite_store *self, const char **ret_message)
{
    if (uv_async_init(self->config.loop, &self->wakeup, on_wakeup) != 0) {
        pawl_sqlite_db_close(&self->db);
        store_free(self);
        return refuse(ret_message, PAWL_E_UNAVAILABLE,
                      "the event loop cannot take another handle (too many open files?)");
    }
    self->wakeup.data = self;
    if (uv_thread_create(&self->thread, worker, self) != 0) {
        pawl_sqlite_db_close(&self->db);
        uv_close((uv_handle_t *)&self->wakeup, on_closed);
        return refuse(ret_message, PAWL_E_UNAVAILABLE,
                      "the system refuses another thread for the state file");
    }
    uv_async_send(&self->wakeup); /* for on_state */
    return PAWL_OK;
}

static bool synchronous_is_valid(const char *synchronous)
{
    return strcmp(synchronous, "full") == 0 || strcmp(synchronous, "normal") == 0
           || strcmp(synchronous, "off") == 0;
}

pawl_err pawl_store_sqlite_open(const struct pawl_store_config *config,
                                struct pawl_store **ret_store, const char **ret_message)
{
    static const char scheme[] = "sqlite://";
    const char *synchronous = config->synchronous ? config->synchronous : "full";
    if (strncmp(config->url, scheme, sizeof scheme - 1) != 0
        || config->url[sizeof scheme - 1] != '/' || config->url[sizeof scheme] == 0)
        return refuse(ret_message, PAWL_E_INVALID,
                      "a SQLite store is named by the full path of its file, with three slashes: "
                      "sqlite:///var/lib/pawl/state.db");
    if (!synchronous_is_valid(synchronous))
        return refuse(ret_message, PAWL_E_INVALID,
                      "SQLite's synchronous must be \"full\", \"normal\" or \"off\"");

    struct pawl_sqlite_identity identity = { config->app, config->namespace_, config->partitions,
                                             config->read_only };
    struct sqlite_store *self = store_new(config);
    pawl_err err =
        pawl_sqlite_db_open(&self->db, config->url + sizeof scheme - 1, synchronous, &identity);
    if (err) {
        refuse(ret_message, err, self->db.message);
        store_free(self);
        return err;
    }
    err = start(self, ret_message);
    if (err) return err;
    self->store.partitions = identity.partitions;
    *ret_store = &self->store;
    *ret_message = "";
    return PAWL_OK;
}
