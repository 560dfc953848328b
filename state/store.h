/* Store: the port to durable state. Eleven operations, each one atomic.
 *
 * A backend checks first and writes only after every check has passed, in one
 * indivisible step (Redis: one script; SQLite: one transaction; mem: one call).
 * Three backends implement it (mem is the reference), and one conformance suite
 * demands the same answers from all of them, byte for byte.
 *
 * Use: fill a request, submit it, get exactly one reply later, never from inside
 * submit. Requests submitted between two flushes travel together. Replies to
 * requests of one partition come in the order of the requests.
 *
 * Ownership: submit copies what it needs before it returns. A reply and all it
 * points to live until the callback returns.
 *
 * Errors that any operation may answer besides its own:
 *   UNAVAILABLE  definitely not applied; try again later
 *   UNKNOWN      may or may not have been applied (reply lost): send the identical
 *                request again, it is recognised
 *   CORRUPT      a stored row cannot be read; the text says which
 */
#ifndef PAWL_STATE_STORE_H
#define PAWL_STATE_STORE_H

#include "base/arena.h"
#include "pawl/err.h"
#include "pawl/types.h"

/* Values ----------------------------------------------------------------------- */

/* An operation of an instance: 'a' activity, 't' timer, 'c' child, with its id:
 * shown as "a:3". A zero kind means none. */
struct pawl_op {
    char kind;
    uint32_t id;
};

enum pawl_reminder_kind {
    PAWL_REMINDER_WAKE = 'w',     /* the instance has something to do; op, nonce unused */
    PAWL_REMINDER_ACTIVITY = 'a', /* lease of one pending activity; the engine keeps WAKE
                                     for all activities of an instance instead */
    PAWL_REMINDER_TIMER = 't',    /* a timer, due when it fires */
    PAWL_REMINDER_CHILD = 'c',    /* a pending child: ask again */
    PAWL_REMINDER_OUTBOX = 'o',   /* an unacknowledged message; `message` only */
};

/* One durable wake-up. Its identity is everything but the due time: adding it
 * again moves it. WAKE has gen 0, so there is one per incarnation. */
struct pawl_reminder {
    enum pawl_reminder_kind kind;
    int64_t due_ms;
    struct pawl_bytes instance;
    struct pawl_id inc;
    uint32_t gen;
    struct pawl_op op;
    uint64_t nonce;
    struct pawl_id message; /* OUTBOX */
};

struct pawl_inbox_row {
    uint32_t index;
    struct pawl_id delivery; /* unique per row */
    struct pawl_bytes body;  /* opaque: an encoded history event */
};

enum pawl_pending_state {
    PAWL_PENDING_OPEN = 1,
    PAWL_PENDING_DELIVERED = 2, /* its result waits in the inbox */
};

struct pawl_pending {
    struct pawl_op op;
    uint64_t nonce;
    enum pawl_pending_state state;
    uint32_t history_index;  /* of the event that scheduled it */
    struct pawl_bytes event; /* load: that event; absent elsewhere */
};

struct pawl_message_row {
    struct pawl_id id;
    struct pawl_bytes body; /* opaque envelope */
};

/* Everything an instance's metadata row holds. */
struct pawl_metadata {
    struct pawl_id inc;
    uint32_t gen;
    struct pawl_id last; /* id of the last commit; of the create: the request's `delivery` */
    uint32_t turn;       /* commits so far */
    uint32_t history_count;
    uint64_t history_size; /* bytes of the history rows of this generation */
    uint32_t inbox_head;   /* rows [head, tail) exist */
    uint32_t inbox_tail;
    enum pawl_status status;
    int64_t created_ms;
    int64_t start_at_ms;
    int64_t started_ms;
    int64_t updated_ms;
    int64_t completed_ms;
    struct pawl_bytes name;
    struct pawl_bytes version;
    struct pawl_bytes request_id;
    struct pawl_bytes parent; /* opaque (encoded pawl_parent); absent: no parent */
    struct pawl_bytes tags;   /* base/tags.h; absent: none */
};

/* One entry of a partition's change log: the instance as it is after the change. */
struct pawl_change {
    uint64_t number; /* 1, 2, … in the partition */
    int64_t at_ms;
    uint32_t what; /* enum pawl_change_what, see pawl/types.h */
    enum pawl_status status;
    uint32_t gen;
    uint32_t turn; /* commits of the incarnation so far */
    struct pawl_id inc;
    struct pawl_bytes instance;
    struct pawl_bytes name;
    struct pawl_bytes custom_status; /* with CUSTOM_STATUS; absent: removed, or OMITTED */
};

struct pawl_payloads {
    struct pawl_bytes input;
    struct pawl_bytes output;
    struct pawl_bytes failure; /* opaque (encoded pawl_failure_view) */
};

/* Requests --------------------------------------------------------------------- */

enum pawl_store_op {
    PAWL_STORE_ACQUIRE = 1,
    PAWL_STORE_CREATE,
    PAWL_STORE_LOAD,
    PAWL_STORE_COMMIT,
    PAWL_STORE_DELIVER,
    PAWL_STORE_POLL,
    PAWL_STORE_PURGE,
    PAWL_STORE_OUTDONE,
    PAWL_STORE_QUERY,
    PAWL_STORE_INSPECT,
    PAWL_STORE_CHANGES,
    PAWL_STORE_OPS_END
};

/* The fence: who the caller believes to be. */
struct pawl_fence {
    uint64_t epoch;
    struct pawl_id nonce;
};

/* ACQUIRE: become the owner of the partition. The epoch goes up by one and the
 * nonce is replaced, so every earlier owner is fenced from here on.
 *   OK epoch | CONFLICT: the stored table version is newer (reply.table_version)
 *   Re-sent with the stored nonce: OK with the stored epoch, nothing changes (this is
 *   looked at before the table version). */
struct pawl_acquire {
    uint64_t table_version;
    struct pawl_id nonce;
    struct pawl_bytes owner; /* for a person: host id */
    int64_t now_ms;
};

/* What stays of an instance that is removed: its id with the id of the request that made
 * it, until now + tomb_ms, so that a late repetition of that request does not make it
 * again. An instance without a request id leaves nothing. Each removal drops those whose
 * time has come, then the oldest (equal times: by member bytes, see keys.h) beyond
 * tombs_max. tomb_ms 0: nothing is left behind. */
struct pawl_tomb_limits {
    int64_t tomb_ms;
    uint32_t tombs_max;
};

/* The change log of a partition. What a CREATE, COMMIT or PURGE changes that others may
 * wait for goes into it by the same step: a new instance, another status (also by a DELIVER
 * that rewinds) or custom status, continue as new, the removal; one entry per operation. An
 * instance that CREATE replaces has no entry of its own: the new one has another incarnation.
 * `changes_max` of these requests: so many entries are kept, older ones go; 0: nothing is written.
 * A custom status of more than PAWL_CHANGE_CUSTOM_SIZE_MAX bytes is OMITTED. */

/* CREATE: a new instance with status PENDING, one inbox row and a WAKE reminder
 * due at max(created_ms, start_at_ms). Not fenced.
 *   OK          created; reply.metadata is as stored
 *   DUPLICATE   the present instance is this request's, or it is remembered that it is another
 *               request's of the same parent operation now; reply.metadata as stored
 *   TERMINAL    the instance of this request was purged or replaced less than tomb_ms ago (by
 *               created_ms), and no other of its parent operation is there; final; no metadata
 *   EXISTS      another one is there and may not be replaced; reply.metadata as stored. With
 *               keep_refusal the same is answered to each repetition of the request for tomb_ms,
 *               whoever has the id by then (nobody: no metadata)
 * An ended instance is replaced when reuse is PAWL_REUSE_TERMINAL: all its rows go,
 * its request id is remembered as by PURGE, the new incarnation has gen = old gen + 1
 * (a first one has gen 1).
 * With a parent (child workflow), an existing instance with the same parent and the
 * same parent operation whose nonce differs is rebound: its stored parent and request id
 * become those of this one, its former request id is remembered as by PURGE, and the answer is
 * DUPLICATE. (`parent_key` identifies the operation,
 * `parent` carries the nonce as well.) An ended one only if the nonce is the same, or with
 * rebind_ended: else the parent, which had its result, tries it again under the same id.
 * The request id is looked at first, then those that are remembered (refused ones, then those of
 * what was removed), then the parent, then the
 * reuse policy: so a late copy of a start whose child is another call's now changes nothing. With
 * rebind_late, the parent has just been read and waits for this very call, it does not matter
 * that it is remembered: the other start was the late one, and came here for the first time.
 * The new row: turn 0, updated_ms = created_ms, inbox index 0. */
struct pawl_create {
    struct pawl_bytes instance;
    struct pawl_bytes request_id;
    struct pawl_id inc;
    struct pawl_id delivery;
    struct pawl_bytes body;
    struct pawl_bytes name;
    struct pawl_bytes version;
    struct pawl_bytes input;
    struct pawl_bytes parent;
    struct pawl_bytes parent_key; /* absent: no parent */
    struct pawl_bytes tags;       /* base/tags.h; absent: none */
    int64_t created_ms;
    int64_t start_at_ms;
    bool replace_terminal;
    bool rebind_ended;             /* a child */
    bool rebind_late;              /* a child */
    bool keep_refusal;             /* EXISTS is remembered: who was told so relies on it */
    struct pawl_tomb_limits tombs; /* for what is replaced, and for a refusal */
    uint32_t changes_max;
};

enum pawl_load_want {
    PAWL_LOAD_PENDING = 1,  /* pending operations, each with its scheduling event; attempts */
    PAWL_LOAD_INBOX = 2,    /* all inbox rows */
    PAWL_LOAD_HISTORY = 4,  /* history rows from history_from on */
    PAWL_LOAD_PAYLOADS = 8, /* input, output, failure */
    PAWL_LOAD_FENCED = 16,  /* answer FENCED unless `fence` is the owner's */
};

/* LOAD: read one instance in one step. Metadata and custom status always come.
 *   OK | NOT_FOUND | FENCED
 * With `gen` not 0 and not the present one, history comes back empty.
 * The fence is looked at before the instance. */
struct pawl_load {
    struct pawl_fence fence;
    uint32_t want;
    struct pawl_bytes instance;
    uint32_t gen;
    uint32_t history_from;
    uint32_t history_max;      /* rows; the reply may hold fewer, at least one if any */
    uint32_t history_size_max; /* bytes: stop after the row that reaches it */
};

/* COMMIT: everything one turn changes. Checks, in this order:
 *   FENCED     fence is not the owner's
 *   NOT_FOUND  no such instance
 *   OK         metadata.last == id: it was applied before; nothing changes
 *   CONFLICT   inc, gen or last differ, or the instance is terminal
 *   CONFLICT   inbox_consumed is not within [head, tail], or `consumed` are not the
 *              deliveries of the rows from the head up to it. Each of them counts: rows
 *              that were read before a failover may have given way to others
 *   TOO_LARGE  history_count + events would pass history_max
 * Then writes: history rows; consumed inbox rows go; pending_done removed and
 * pending_added added; reminders removed, then added; outbox messages added, each
 * with an OUTBOX reminder due at now_ms + PAWL_LEASE_OUTBOX_MS; custom status;
 * payloads that are set; attempts; metadata (last = id, turn + 1, status, times).
 * started_ms is set by the first commit, completed_ms by a terminal one, updated_ms by each:
 * to now_ms, or to what the commit says of a past that is brought in (0: now_ms).
 * WAKE reminder: when inbox rows remain (or carry rows were added) and the status is
 * not terminal it is set to now_ms + PAWL_LEASE_WAKE_MS, or to wake_at_ms when that is not 0
 * and earlier; without rows it is set to wake_at_ms when that is not 0; else, with wake_keep and a
 * status that is not terminal, it is set to now_ms + PAWL_LEASE_WAKE_MS as well, but left as it is
 * when it is there and this commit consumed no inbox row; else it is removed. A terminal status
 * also removes: all inbox rows, all pending operations. The new inbox head is then the tail;
 * pending_added of a terminal commit is dropped too. The request ids seen stay until the instance
 * is purged or replaced: the event that ended it may be repeated afterwards. Every pending
 * operation added starts OPEN; one with the same op is replaced. Continue as new (carry_count > 0):
 * gen + 1, history of the old generation removed, `events` must be empty, all pending operations
 * removed, carry rows appended at the tail, then the unconsumed rows moved behind them (their order
 * and delivery kept); name, version and input are replaced by those given, absent ones too; the new
 * head is the old tail. Reminders and pending_added all belong to `instance`; with carry there is
 * no pending_added and the status is not terminal. */
struct pawl_commit {
    struct pawl_fence fence;
    struct pawl_bytes instance;
    struct pawl_id inc;
    uint32_t gen;
    struct pawl_id last; /* as read */
    struct pawl_id id;   /* of this commit */
    int64_t now_ms;
    uint32_t inbox_consumed; /* the new head */
    uint32_t consumed_count;
    struct pawl_id *consumed; /* deliveries of the rows that go, in their order */
    uint32_t history_max;
    uint32_t events_count;
    struct pawl_bytes *events;
    uint32_t pending_done_count;
    struct pawl_op *pending_done;
    uint32_t pending_added_count;
    struct pawl_pending *pending_added; /* history_index: offset in `events` */
    uint32_t reminders_removed_count;
    struct pawl_reminder *reminders_removed;
    uint32_t reminders_added_count;
    struct pawl_reminder *reminders_added;
    uint32_t messages_count;
    struct pawl_message_row *messages;
    uint32_t carry_count;
    struct pawl_inbox_row *carry; /* index unused */
    struct pawl_bytes name;       /* carry only */
    struct pawl_bytes version;    /* carry only; may be absent */
    enum pawl_status status;
    bool custom_status_set;
    struct pawl_bytes custom_status; /* absent: removed */
    int64_t started_ms;
    int64_t updated_ms;
    int64_t completed_ms;
    int64_t wake_at_ms;
    bool wake_keep; /* operations are open that only this row brings back after a crash */
    struct pawl_payloads payloads; /* absent fields stay as they are; carry: input replaces */
    struct pawl_bytes attempts;    /* opaque; absent: as they are; empty: none any more */
    uint32_t changes_max;
};

/* One of the three times of a commit. */
static inline int64_t pawl_commit_ms(const struct pawl_commit *commit, int64_t said_ms)
{
    return said_ms ? said_ms : commit->now_ms;
}

/* DELIVER: put one message into an instance's inbox. Not epoch-fenced: a former
 * owner may still hand in a true result.
 *   OK         row appended, WAKE reminder set to now_ms unless already earlier
 *   NOT_FOUND  TERMINAL   (final)
 *   CONFLICT   op given and inc, gen or the pending nonce differ or it is not pending
 *              (final: nobody waits for this result any more)
 *   DUPLICATE  op already delivered, or request_id seen before, also when the instance
 *              has ended since (final)
 *   BUSY       inbox_max rows wait, or seen_max request ids younger than seen_ms_max
 * With op: the pending state becomes DELIVERED; for a timer its reminder goes.
 * Without op: request_id is remembered; ids older than seen_ms_max are dropped first.
 * The checks come in this order, with op: NOT_FOUND, TERMINAL, CONFLICT, DUPLICATE, BUSY;
 * without: NOT_FOUND, DUPLICATE, TERMINAL, BUSY. An id is older when its time <
 * now_ms - seen_ms_max: it is no duplicate and is not counted (rows go only when the
 * answer is OK).
 * With `rewind` (and without op) it is for an instance that has FAILED, whose history
 * the row holds: instead of TERMINAL the answer is
 *   CONFLICT   the status is not FAILED, or its last commit is not `rewind`
 * and the same step makes it RUNNING: its history rows, output and failure go,
 * completed_ms is 0, updated_ms = now_ms, last = delivery. Everything else stays,
 * incarnation, generation, turn and the request ids seen among it. */
struct pawl_deliver {
    struct pawl_bytes instance;
    struct pawl_id inc; /* op only */
    uint32_t gen;       /* op only */
    struct pawl_op op;  /* kind 0: an external input with request_id */
    uint64_t nonce;
    struct pawl_bytes request_id;
    struct pawl_id rewind; /* zero: no */
    struct pawl_id delivery;
    struct pawl_bytes body;
    int64_t now_ms;
    uint32_t inbox_max;
    uint32_t seen_max;
    int64_t seen_ms_max;
    uint32_t changes_max; /* with rewind */
};

/* POLL: due reminders, oldest first (equal times: by member bytes, see keys.h).
 * Each one returned is pushed forward in the same step to now_ms + the lease of its
 * kind (PAWL_LEASE_…_MS). OUTBOX reminders come with
 * their message; one whose message is gone is removed instead.
 * until_ms >= now_ms: reminders due by until_ms count as due, except timers, which
 * stay untouched until now_ms. When it is later than now_ms, what is returned, except
 * timers, is pushed to later than until_ms, so polls with one until_ms return no row twice
 * that nobody has written in between. With from_ms not 0, reminders due before it are left
 * out of all this, as if they were not there. `skip`: how many of the first due ones to pass over;
 * reply.skipped tells how many future timers were passed over in addition, and
 * reply.skipped_until_ms when the last of them is due (0: none).
 * At most `max` rows are looked at after skip.
 * The rows are picked before any of them is pushed: no row comes twice in one reply.
 * Future timers count for skip and max like any row.
 * A row that cannot be read (a member or a due time that is none, see keys.h) is moved
 * aside as it is, into the partition's quarantine, and counted in reply.unreadable; it
 * counts for skip and max like any row. Nothing reads the quarantine but INSPECT.
 *   OK items, next_due_ms (of the first reminder in the partition after this step,
 *   whether passed over or not; 0: none), counts | FENCED */
struct pawl_poll {
    struct pawl_fence fence;
    int64_t now_ms;
    int64_t from_ms; /* 0: from the first */
    int64_t until_ms;
    uint32_t skip;
    uint32_t max;
};

/* PURGE: remove every row of an instance; the request that made it is remembered, see
 * pawl_tomb_limits.
 *   OK (all gone) | NOT_FOUND | NOT_TERMINAL (unless force)
 *   CONFLICT   inc is not zero and is another one (looked at before NOT_TERMINAL)
 * One call removes everything of the instance, including its reminders. */
struct pawl_purge {
    struct pawl_bytes instance;
    struct pawl_id inc; /* zero: whichever is there */
    bool force;
    int64_t now_ms;
    struct pawl_tomb_limits tombs;
    uint32_t changes_max;
};

/* OUTDONE: these messages were acknowledged; remove them and their reminders.
 *   OK, also for ids that are not there */
struct pawl_outdone {
    uint32_t ids_count;
    const struct pawl_id *ids;
};

/* QUERY: instances of the partition that match, or how many they are.
 *
 * The order is descending by a key, then by id (bytes). What the order's index narrows
 * down is looked at, the rest is filtered:
 *   CREATED    by created_ms. Index: the created range, the statuses, and one facet: the
 *              first tag, or without tags the name
 *   COMPLETED  by completed_ms, ended instances only. Index: the completed range, the
 *              statuses, the same facet
 *   ID         the key is 0. Index: the prefix
 * The scan starts behind (before_ms, before_instance) when that instance is not absent.
 *   OK rows; reply.more: `limit` or `scan_max` stopped it and at least one row of the index
 *   follows; go on behind the last one looked at (reply.scanned_ms, scanned_instance; set
 *   when more)
 *   BUSY  the index is being built: written by a version that had none, see STATE.md
 * count_only: no rows but reply.counts, by status, of what matches. `limit` does not
 * count then; nor do scan_max and `before` when the index alone decides, so that nothing
 * has to be looked at: no prefix, nothing but the created range (CREATED) or the
 * completed range (COMPLETED), and either a name or one tag or neither; ID never.
 * status_mask 0, absent bytes, and times that are 0 match all; bit n of the mask is status
 * n; ends of ranges are exclusive. */
enum pawl_query_order {
    PAWL_QUERY_CREATED = 0,
    PAWL_QUERY_COMPLETED,
    PAWL_QUERY_ID,
    PAWL_QUERY_ORDERS_END
};

struct pawl_query {
    enum pawl_query_order order;
    bool count_only;
    uint32_t status_mask;
    struct pawl_bytes name;
    struct pawl_bytes prefix; /* of the id */
    struct pawl_bytes tags;   /* base/tags.h: all of these */
    int64_t created_from_ms;
    int64_t created_to_ms;
    int64_t completed_from_ms; /* with either: only what has ended */
    int64_t completed_to_ms;
    int64_t updated_from_ms;
    int64_t updated_to_ms;
    int64_t before_ms;
    struct pawl_bytes before_instance;
    uint32_t limit;    /* rows wanted */
    uint32_t scan_max; /* rows looked at */
};

/* INSPECT: rows as they are stored, for the audit (state/audit.h). Not fenced, changes
 * nothing, and reads no more than asked for, so that a store in use is not held up. What
 * cannot be read is part of the answer. One call is one step; from one to the next
 * anything may change.
 * Pages: begin with an absent cursor and go on with the reply's until that is absent. A
 * row that is there all the time comes at least once. The order is the backend's.
 *   OK | CORRUPT: even this cannot be read (a key of another type) */
enum pawl_inspect_what {
    PAWL_INSPECT_PARTITION = 1, /* its owner, its counts, how many rows there are */
    PAWL_INSPECT_INSTANCES,     /* ids in the index of instances */
    PAWL_INSPECT_INSTANCE,      /* everything of one but payloads; its history and inbox
                                   from given indexes on */
    PAWL_INSPECT_REMINDERS,     /* each with what it refers to */
    PAWL_INSPECT_OUTBOX,        /* each with its reminder */
    PAWL_INSPECT_QUARANTINE,    /* reminders moved aside by POLL */
    PAWL_INSPECT_STRAYS,        /* rows of instances that are not there or not in the index,
                                   of any partition on the same server */
    PAWL_INSPECT_END
};

struct pawl_inspect {
    enum pawl_inspect_what what;
    struct pawl_bytes instance; /* INSTANCE */
    uint32_t history_from;      /* INSTANCE; UINT32_MAX: none */
    uint32_t inbox_from;        /* INSTANCE; below the head: from there; UINT32_MAX: none */
    struct pawl_bytes cursor;   /* opaque */
    uint32_t limit;             /* rows looked at, roughly; INSTANCE: of each kind */
    uint32_t size_max;          /* INSTANCE: bytes of each kind: stop after reaching it */
};

/* CHANGES: the change log behind entry `after`, oldest first. Not fenced.
 *   OK entries, at most `max`; reply.last: the newest entry's number, 0: there never was
 *   one; reply.first: the oldest that is kept (last + 1: none is)
 * `keep` is changes_max of those who write: a backend may hold some more and does not
 * show them. `after` below first - 1: what is between them is forgotten. `after` above
 * last: it is of another log; no entries. */
struct pawl_changes {
    uint64_t after;
    uint32_t max;
    uint32_t keep;
};

struct pawl_store_request {
    uint64_t token; /* comes back with the reply */
    enum pawl_store_op op;
    uint32_t partition;
    union {
        struct pawl_acquire acquire;
        struct pawl_create create;
        struct pawl_load load;
        struct pawl_commit commit;
        struct pawl_deliver deliver;
        struct pawl_poll poll;
        struct pawl_purge purge;
        struct pawl_outdone outdone;
        struct pawl_query query;
        struct pawl_inspect inspect;
        struct pawl_changes changes;
    };
};

/* Replies ---------------------------------------------------------------------- */

struct pawl_snapshot {
    struct pawl_metadata metadata;
    struct pawl_bytes custom_status;
    struct pawl_payloads payloads;
    uint32_t pending_count; /* in order of op kind, then id */
    struct pawl_pending *pending;
    struct pawl_bytes attempts; /* of the last commit that set them; absent: none */
    uint32_t inbox_count;
    struct pawl_inbox_row *inbox;
    uint32_t history_from;
    uint32_t history_count;
    struct pawl_bytes *history;
};

struct pawl_poll_item {
    struct pawl_reminder reminder; /* due_ms: as it was before the lease */
    struct pawl_bytes body;        /* OUTBOX: the message */
};

struct pawl_query_row {
    struct pawl_bytes instance;
    struct pawl_metadata metadata;
    struct pawl_bytes custom_status;
};

/* Stored rows, as INSPECT gives them. */

struct pawl_stored_partition {
    struct pawl_bytes unreadable; /* what cannot be read; absent: all can */
    uint64_t epoch;               /* 0: nobody ever owned it */
    struct pawl_bytes owner;
    uint64_t table_version;
    int64_t since_ms;
    int64_t counts[PAWL_STATUS_COUNT]; /* the counters; negative ones are damage */
    bool has_tally;                    /* false: too many instances to count in one step */
    int64_t tally[PAWL_STATUS_COUNT];  /* counted */
    uint64_t instances;
    uint64_t reminders;
    uint64_t messages;
    uint64_t quarantined;
    int64_t first_due_ms; /* of its reminders; 0: none */
};

struct pawl_stored_pending {
    struct pawl_pending row; /* event absent */
    bool is_unreadable;
    struct pawl_bytes name; /* of the row, as it is stored: "a:3" */
    bool has_reminder;      /* of its own kind, operation and nonce */
};

struct pawl_stored_inbox {
    struct pawl_inbox_row row;
    bool is_missing;
    bool is_unreadable;
};

struct pawl_stored_instance {
    bool is_indexed; /* in the index that queries go through */
    int64_t indexed_ms;
    bool is_there;                /* its metadata is; else nothing of the rest */
    struct pawl_bytes unreadable; /* what of the metadata; then nothing of the rest */
    struct pawl_metadata metadata;
    struct pawl_bytes custom_status;
    bool has_wake;
    int64_t wake_ms;
    uint32_t seen_count;
    uint32_t pending_count;
    struct pawl_stored_pending *pending; /* in order of name */
    uint32_t history_from;
    uint32_t history_count;
    struct pawl_bytes *history; /* absent: the row is missing */
    uint32_t inbox_from;
    uint32_t inbox_count;
    struct pawl_stored_inbox *inbox;
    uint32_t strays; /* history and inbox rows next to those that the metadata tells of */
};

/* Where a reminder leads; the first that holds. */
enum pawl_reminder_target {
    PAWL_TARGET_THERE = 1,
    PAWL_TARGET_NO_INSTANCE,
    PAWL_TARGET_OTHER_INC,
    PAWL_TARGET_ENDED,     /* the instance has */
    PAWL_TARGET_OTHER_GEN, /* not WAKE */
    PAWL_TARGET_NO_OP,     /* nothing pending with that operation and nonce */
    PAWL_TARGET_DELIVERED, /* the operation has its result already */
    PAWL_TARGET_NO_MESSAGE,
};

struct pawl_stored_reminder {
    struct pawl_bytes member;
    bool is_unreadable; /* nothing below but due_ms has a meaning; 0 there when it is none */
    struct pawl_reminder row;
    enum pawl_reminder_target target;
};

struct pawl_stored_message {
    struct pawl_message_row row;
    bool is_unreadable; /* its id */
    bool has_reminder;
    int64_t due_ms;
};

struct pawl_inspected {
    enum pawl_inspect_what what;
    struct pawl_bytes cursor; /* absent: that was the last page */
    struct pawl_stored_partition partition;
    struct pawl_stored_instance instance;
    uint32_t count;                         /* of the list that was asked for */
    struct pawl_bytes *names;               /* INSTANCES: ids; STRAYS: rows, for a person */
    struct pawl_stored_reminder *reminders; /* QUARANTINE, too */
    struct pawl_stored_message *messages;
    struct pawl_bytes server; /* STRAYS: which one was looked through; may be absent */
};

struct pawl_store_reply {
    uint64_t token;
    enum pawl_store_op op;
    uint32_t partition;
    pawl_err err;
    struct pawl_bytes message; /* for the log; may be absent */
    union {
        struct {
            uint64_t epoch;
            uint64_t table_version;
        } acquire;
        struct {
            struct pawl_metadata metadata; /* OK, DUPLICATE, EXISTS; else zero */
        } create;
        struct {
            struct pawl_snapshot snapshot;
        } load;
        struct {
            uint32_t inbox_head; /* as stored after it; also when applied before */
            uint32_t inbox_tail;
        } commit;
        struct {
            uint32_t index; /* OK: of the new row */
        } deliver;
        struct {
            uint32_t items_count;
            struct pawl_poll_item *items;
            uint32_t skipped;
            int64_t skipped_until_ms;
            uint32_t unreadable; /* rows moved aside by this call */
            int64_t next_due_ms;
            uint64_t counts[PAWL_STATUS_COUNT]; /* instances of the partition by status */
        } poll;
        struct {
            uint32_t rows_count;
            struct pawl_query_row *rows;
            bool more;
            int64_t scanned_ms;
            struct pawl_bytes scanned_instance;
            uint64_t counts[PAWL_STATUS_COUNT]; /* count_only */
        } query;
        const struct pawl_inspected *inspect; /* OK; else NULL */
        struct {
            uint64_t first;
            uint64_t last;
            uint32_t count;
            struct pawl_change *items;
        } changes;
    };
};

typedef void pawl_store_on_reply(void *context, const struct pawl_store_reply *reply);

/* A backend behind the port. */
struct pawl_store {
    const struct pawl_store_ops *ops;
    uint32_t partitions; /* of the stored state; set when the store is ready */
};

struct pawl_store_ops {
    /* Take a request; the reply comes later through the callback given at open. */
    void (*submit)(struct pawl_store *store, const struct pawl_store_request *request);
    /* Send off what was submitted since the last flush. Called once per loop turn. */
    void (*flush)(struct pawl_store *store);
    /* Outstanding requests get PAWL_E_UNAVAILABLE or PAWL_E_UNKNOWN first. Frees it. */
    void (*close)(struct pawl_store *store);
};

/* "acquire" …; NULL for a number that is no operation. */
const char *pawl_store_op_name(int op);

#endif /* PAWL_STATE_STORE_H */
