/* Keys: how things are named in a store, the same for every backend.
 *
 * Redis (all keys of a partition share the hash tag in braces, so one script may
 * touch them together, in a cluster too):
 *
 *   {ns||app||017}||owner            hash    epoch nonce owner table_version since
 *   {ns||app||017}||reminders        zset    due ms -> member, see below
 *   {ns||app||017}||quarantine       zset    due ms -> member that cannot be read
 *   {ns||app||017}||instances        zset    created ms -> instance
 *   {ns||app||017}||ids              zset    0 -> instance, for lists by id
 *   {ns||app||017}||created||<status>||<facet>    zset  created ms -> instance
 *   {ns||app||017}||completed||<status>||<facet>  zset  completed ms -> ended instance
 *   {ns||app||017}||indexing         string  how far an older partition has its index
 *   {ns||app||017}||tombs            zset    forgotten at ms -> member, see below
 *   {ns||app||017}||outbox           hash    message id -> body
 *   {ns||app||017}||counts           hash    status number -> instances
 *   {ns||app||017}||<instance>||metadata               hash
 *   {ns||app||017}||<instance>||inbox-NNNNNN           string  delivery(16) + body
 *   {ns||app||017}||<instance>||<gen>||history-NNNNNN  string  one event
 *   {ns||app||017}||<instance>||customStatus           string
 *   {ns||app||017}||<instance>||pending                hash    a:3 -> state:nonce:index
 *   {ns||app||017}||<instance>||seen                   zset    ms -> request id
 *   {ns||app}||schema                                  hash    version partitions
 *
 * A reminder's member is text: kind|instance|inc|gen|op|nonce with inc and nonce in
 * hex (32 and 16 digits) and "-" for what a kind does not use, so a wake-up is
 * w|instance|inc|0|-|- and a timer t|instance|inc|2|t:7|00000000000000ff; an outbox
 * member is o|message id in hex. A reminder without op has "-" for op and nonce. Read
 * from both ends, so that an instance id may hold '|'. A tomb's member is size|instance
 * request: the instance id's size in bytes, then both ids without anything between; that
 * of a start that was refused has a '!' before it.
 * A facet is "all", "name:" and the workflow's name, or "tag:" with key=value, where '%'
 * and '|' are written %25 and %7C: so no such key can be one of an instance.
 * Namespace and app ids are
 * restricted (pawl_app_id_is_valid), so braces and "||" in them cannot occur.
 */
#ifndef PAWL_STATE_KEYS_H
#define PAWL_STATE_KEYS_H

#include "state/store.h"

#define PAWL_SCHEMA_VERSION 1u

/* The member bytes of a reminder. */
struct pawl_bytes pawl_reminder_format(struct pawl_arena *arena,
                                       const struct pawl_reminder *reminder);

/* Views point into `member`. due_ms is left 0. */
PAWL_MUST_USE pawl_err pawl_reminder_parse(struct pawl_bytes member,
                                           struct pawl_reminder *ret_reminder);

/* What a request id is remembered for: its instance was removed, or it made none. */
enum pawl_tomb_kind { PAWL_TOMB_REMOVED, PAWL_TOMB_REFUSED };

/* The member bytes of what is remembered of a request. */
struct pawl_bytes pawl_tomb_format(struct pawl_arena *arena, enum pawl_tomb_kind kind,
                                   struct pawl_bytes instance, struct pawl_bytes request_id);

/* "a:3" */
struct pawl_bytes pawl_op_format(struct pawl_arena *arena, struct pawl_op op);
PAWL_MUST_USE pawl_err pawl_op_parse(struct pawl_bytes text, struct pawl_op *ret_op);

/* Completed, failed, canceled or terminated. */
bool pawl_store_status_is_terminal(enum pawl_status status);

/* Where a reminder of an instance leads. `metadata` NULL: there is no such instance;
 * `pending` NULL: nothing is pending under its operation. Not for OUTBOX. */
enum pawl_reminder_target pawl_reminder_target(const struct pawl_reminder *reminder,
                                               const struct pawl_metadata *metadata,
                                               const struct pawl_pending *pending);

/* How far POLL pushes a reminder of this kind when nothing else is asked. */
int64_t pawl_reminder_lease_ms(enum pawl_reminder_kind kind);

/* When a reminder of this kind that `poll` returns is due after it. */
int64_t pawl_poll_leased_until_ms(const struct pawl_poll *poll, enum pawl_reminder_kind kind);

#endif /* PAWL_STATE_KEYS_H */
