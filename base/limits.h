/* Every bound of the product in one place. Each says what happens at the bound.
 * Times in ms, sizes in bytes. Tests look at each of them. */
#ifndef PAWL_BASE_LIMITS_H
#define PAWL_BASE_LIMITS_H

/* Names and values ----------------------------------------------------------- */
#define PAWL_INSTANCE_ID_SIZE_MAX   256u        /* longer: PAWL_E_INVALID, says so */
#define PAWL_NAME_SIZE_MAX          256u        /* workflow, activity, event names: as above */
#define PAWL_REQUEST_ID_SIZE_MAX    128u        /* idempotency keys: as above */
#define PAWL_APP_ID_SIZE_MAX        64u         /* as above */
#define PAWL_CURSOR_SIZE_MAX        1024u       /* of a list: as above */
#define PAWL_POSITION_SIZE_MAX      (64u << 10) /* in the lifecycle stream: as above */
#define PAWL_PAYLOAD_SIZE_MAX       (4u << 20)  /* one input, output, event: PAWL_E_TOO_LARGE */
#define PAWL_CUSTOM_STATUS_SIZE_MAX (64u << 10) /* PAWL_E_TOO_LARGE */
#define PAWL_PROGRESS_SIZE_MAX      (64u << 10) /* of an activity's heartbeat: PAWL_E_TOO_LARGE */
#define PAWL_MESSAGE_SIZE_MAX       1024u       /* reasons and error texts: cut at a character */
#define PAWL_TAGS_MAX               32u         /* of an instance: PAWL_E_INVALID */
#define PAWL_TAG_KEY_SIZE_MAX       128u        /* as above */
#define PAWL_TAG_VALUE_SIZE_MAX     256u        /* as above */

/* One instance ---------------------------------------------------------------- */
#define PAWL_HISTORY_EVENTS_WARN   10000u      /* logged once per generation */
#define PAWL_HISTORY_EVENTS_MAX    50000u      /* the instance fails, advice: continue as new */
#define PAWL_HISTORY_SIZE_MAX      (50u << 20) /* as above */
#define PAWL_INBOX_ROWS_MAX        10000u      /* deliver answers PAWL_E_BUSY */
#define PAWL_PENDING_OPS_MAX       10000u      /* the turn fails the instance with a reason */
#define PAWL_SEEN_REQUESTS_MAX     10000u      /* older than a day leave; else PAWL_E_BUSY */
#define PAWL_SEEN_MS               86400000    /* how long a request id is remembered */
#define PAWL_TURN_ACTIONS_MAX      10000u      /* the turn fails the instance with a reason */
#define PAWL_TURN_EVENTS_MAX       2048u       /* more wait for the next turn */
#define PAWL_TURN_SIZE_MAX         (16u << 20) /* new events of one turn: as above */
#define PAWL_TURN_ATTEMPTS_MAX     10u         /* then STALLED, with the reason */
#define PAWL_ACTIVITY_ATTEMPTS_MAX 10u         /* dispatches that lost their worker: STALLED */
#define PAWL_ATTEMPTS_OPS_MAX      256u        /* counts stored of one instance; more: in memory */
#define PAWL_ATTEMPT_OLD_MS        120000u     /* undone so long, at a load: tried before */
#define PAWL_ATTEMPT_WORKER_MS     1000u       /* how often such a turn looks for a worker */
#define PAWL_BEATS_PER_TIMEOUT     4u          /* heartbeats told in heartbeat_ms; more are not */
#define PAWL_BEAT_EVERY_MS         5000u       /* … nor in this, when that is less */
#define PAWL_TURN_RETURNS_MAX      10u         /* given back in a row: STALLED, with the reason */
#define PAWL_TURN_PATCHES_MAX      256u  /* new ones in one turn: the turn fails the instance */
#define PAWL_REFUSALS_MAX          16u   /* workers without its code that are tried: STALLED */
#define PAWL_CODE_WAIT_MS          2000u /* no worker has its code: then STALLED */
#define PAWL_SEED_EVENTS_MAX       PAWL_HISTORY_EVENTS_MAX /* history that another run begins with: */
#define PAWL_SEED_SIZE_MAX         (16u << 20)             /* … PAWL_E_TOO_LARGE, says so */
#define PAWL_IMPORT_SIZE_MAX       PAWL_SEED_SIZE_MAX      /* JSON of an export: as above, 413 */
#define PAWL_EXPORT_OBJECTS_MAX    (8u * PAWL_SEED_EVENTS_MAX)  /* objects and lists … */
#define PAWL_EXPORT_VALUES_MAX     (40u * PAWL_SEED_EVENTS_MAX) /* and values in it: refused */
#define PAWL_TURN_RETRY_MS_MIN     500u                         /* doubles per attempt */
#define PAWL_TURN_RETRY_MS_MAX     60000u

/* Schedules ------------------------------------------------------------------- */
#define PAWL_SCHEDULE_ID_SIZE_MAX     200u                  /* PAWL_E_INVALID, says so */
#define PAWL_SCHEDULE_CRON_SIZE_MAX   256u                  /* as above */
#define PAWL_SCHEDULE_INPUT_SIZE_MAX  (32u << 10)           /* PAWL_E_TOO_LARGE */
#define PAWL_SCHEDULE_EVERY_MS_MIN    1000u                 /* PAWL_E_INVALID */
#define PAWL_SCHEDULE_CATCH_UP_MS_MIN 10000u                /* as above */
#define PAWL_SCHEDULE_CATCH_UP_MS     3600000u              /* unless said otherwise */
#define PAWL_SCHEDULE_DURATION_MS_MAX INT64_C(315360000000) /* ten years: 400, says so */
#define PAWL_SCHEDULE_TRIGGERS_MAX    16u    /* not begun yet; further ones count as skipped */
#define PAWL_SCHEDULE_RECENT_MAX      10u    /* starts that are shown; older ones are forgotten */
#define PAWL_SCHEDULE_MISSED_STEP     1000u  /* times counted at once; further ones are not */
#define PAWL_SCHEDULE_AGAIN_MS        1000u  /* a start that was refused for now is tried again */
#define PAWL_SCHEDULE_ZONE_AGAIN_MS   60000u /* a zone that is not there is looked for again */
#define PAWL_ZONE_FILE_SIZE_MAX       (64u << 10) /* not taken for a zone */
#define PAWL_ZONE_NAME_SIZE_MAX       64u         /* PAWL_E_INVALID, says so */

/* Streams ---------------------------------------------------------------------- */
#define PAWL_FRAME_SIZE_MAX         (18u << 20) /* checked before allocation: connection ends */
#define PAWL_STREAM_OUT_SIZE_MAX    (64u << 20) /* per connection; a reader this slow is cut off */
#define PAWL_STREAM_CONNECTIONS_MAX 1024u       /* further ones are closed at once */
#define PAWL_HEARTBEAT_MS           5000u
#define PAWL_SILENCE_MS             15000u /* the connection ends */
#define PAWL_HANDSHAKE_MS           5000u  /* no HELLO by then: closed */
#define PAWL_CREDIT_MAX             100000u
#define PAWL_HELLO_NAMES_MAX        4096u
#define PAWL_TOKEN_SIZE_MAX         1024u /* of a HELLO; longer: the connection ends */
#define PAWL_TOKEN_ASKED_SIZE_MAX   256u  /* that a server asks for: it does not start, says so */
#define PAWL_READY_LINE_SIZE_MAX    4096u /* to --ready-fd: a sidecar of another version, says so */
#define PAWL_FRAME_ACTIONS_MAX      (2u * PAWL_TURN_ACTIONS_MAX) /* as above */
#define PAWL_HISTORY_CHUNK_SIZE     (1u << 20) /* history frames of a replayed turn */
#define PAWL_RECONNECT_MS_MIN       100u
#define PAWL_RECONNECT_MS_MAX       5000u

/* Peers: links between sidecars ---------------------------------------------------- */
#define PAWL_PEER_FRAME_SIZE_MAX  (PAWL_FRAME_SIZE_MAX + (64u << 10)) /* a frame in a frame fits */
#define PAWL_PEER_CONNECTIONS_MAX 4096u        /* accepted; further ones are closed at once */
#define PAWL_PEER_RUNS_MAX        1024u        /* in one ASK or FIND; more go in another */
#define PAWL_PEER_WINDOW          (4u << 20)   /* content not yet taken in; the sender waits */
#define PAWL_PEER_QUEUE_SIZE_MAX  (32u << 20)  /* waits for one peer; more is dropped, counted */
#define PAWL_PEER_QUEUES_SIZE_MAX (256u << 20) /* for all peers; as above */
#define PAWL_PEER_HANDSHAKE_MS    3000u        /* from dialling to WELCOME; then the link ends */
#define PAWL_PEER_HEARTBEAT_MS    3000u
#define PAWL_PEER_SILENCE_MS      9000u /* the link ends */
#define PAWL_PEER_RETRY_MS_MIN    100u  /* before dialling again; doubles */
#define PAWL_PEER_RETRY_MS_MAX    1000u
#define PAWL_PEER_REST_MS         5000u /* the same after a refusal, or a mistake of the peer */

/* Store ------------------------------------------------------------------------ */
#define PAWL_PARTITIONS_DEFAULT     128u
#define PAWL_PARTITIONS_MAX         4096u
#define PAWL_POLL_ITEMS_MIN         8u /* polls start with this and double while full */
#define PAWL_POLL_ITEMS_MAX         256u
#define PAWL_POLL_EVERY_MS          1000u
#define PAWL_LOAD_HISTORY_MAX       512u       /* rows per load; more takes pages */
#define PAWL_LOAD_HISTORY_SIZE_MAX  (8u << 20) /* bytes per load; at least one row */
#define PAWL_BATCH_ITEMS_DEFAULT    100u       /* instances of one page of a batch */
#define PAWL_QUERY_ITEMS_MAX        1000u
#define PAWL_OUTDONE_IDS_MAX        256u
#define PAWL_INSPECT_ROWS_MAX       256u         /* of each kind per page; more takes pages */
#define PAWL_INSPECT_MESSAGES_MAX   16u          /* as above, of the outbox: they are large */
#define PAWL_INSPECT_SIZE_MAX       (1u << 20)   /* bytes of history, of inbox per page: as above */
#define PAWL_SQLITE_LOCK_MS         3000u        /* for who has the file: then it is in use */
#define PAWL_STORE_IN_FLIGHT_MAX    4096u        /* more wait in the adapter, in order */
#define PAWL_STORE_TIMEOUT_MS       5000u        /* then PAWL_E_UNKNOWN and a new connection */
#define PAWL_STORE_RECONNECT_MS_MAX 1000u        /* between two attempts */
#define PAWL_STORE_WAITING_MAX      65536u       /* not yet sent; beyond: PAWL_E_UNAVAILABLE */
#define PAWL_STORE_WAITING_SIZE_MAX (256u << 20) /* as above */
#define PAWL_STORE_REQUEST_SIZE_MAX (128u << 20) /* PAWL_E_TOO_LARGE */
#define PAWL_STORE_REPLY_SIZE_MAX   (512u << 20) /* the connection ends, PAWL_E_UNKNOWN */
#define PAWL_STORE_HELD_MS_MAX      10000u       /* a moving slot, a lost shard: then UNAVAILABLE */
#define PAWL_STORE_WAIT_MS_DEFAULT  1000u        /* for replicas (d2): then PAWL_E_UNKNOWN */
#define PAWL_STORE_WAIT_MS_MAX      4000u        /* refused; below PAWL_STORE_TIMEOUT_MS */
#define PAWL_STORE_WAITS_MAX        2u           /* flushes that replicas have not confirmed */
#define PAWL_STORE_CLOCK_MS         60000u       /* between two looks at the store's own clock */
#define PAWL_STORE_CLOCK_TOOK_MS    500          /* longer at the start: once more */
#define PAWL_STORE_CLOCK_TRIES_MAX  3u           /* at the start; the quickest counts */
#define PAWL_CLOCK_SLEW_DIVISOR     100          /* it is followed by 1/100 of the time */
#define PAWL_CLOCK_JUMP_MS          1000         /* more than that aside: a warning in the log */
#define PAWL_REDIS_DB_MAX           65535u       /* the URL is refused */
#define PAWL_REDIS_SEEDS_MAX        16u          /* as above */
#define PAWL_REDIS_FIND_MS          1000u        /* for one sentinel or node; then the next one */
#define PAWL_REDIS_NODES_MAX        1024u        /* of a cluster; further ones are not seen */
#define PAWL_LEASE_WAKE_MS          20000u
#define PAWL_LEASE_TIMER_MS         250u /* leased ones look like later ones: a new owner waits */
#define PAWL_LEASE_ACTIVITY_MS      30000u
#define PAWL_LEASE_CHILD_MS         60000u
#define PAWL_LEASE_OUTBOX_MS        10000u
#define PAWL_RETENTION_PURGES_MAX   16u  /* at a time; the rest after these */
#define PAWL_RETENTION_ROUND_MS_MIN 1000 /* looking for what is to be purged */
#define PAWL_RETENTION_ROUND_MS_MAX 60000
#define PAWL_TOMB_MS                600000 /* how long the start of what was purged is remembered */
#define PAWL_TOMBS_MAX              10000u /* per partition; then the oldest are forgotten */
#define PAWL_LEASE_MS_MAX           60000u /* the longest of the five leases */
#define PAWL_RECOVER_MS             30000u /* a new owner takes over leases up to here: 20 s and a margin */
#define PAWL_CHANGES_MAX            4096u /* change log per partition; older: gap, says so */
#define PAWL_CHANGE_CUSTOM_SIZE_MAX 256u  /* larger custom statuses are not in it, says so */
#define PAWL_CHANGES_ITEMS_MAX      256u  /* read at a time; more takes pages */

/* pawl replay ------------------------------------------------------------------ */
#define PAWL_REPLAY_FILES_MAX     100000u /* of one call: refused */
#define PAWL_EXPORT_MOMENTS_MAX   10u /* an instance that changes more often meanwhile: says so */
#define PAWL_EXPORT_SIZE_MAX      (512u << 20) /* JSON that libpawl writes: PAWL_E_TOO_LARGE */
#define PAWL_REPLAY_FILE_SIZE_MAX (512u << 20) /* of a history as JSON: not checked, says so */

/* Processes -------------------------------------------------------------------- */
#define PAWL_STOP_SAME_MS 500u /* a signal so soon after the one to stop is the same wish */

/* Libpawl ------------------------------------------------------------------------ */
#define PAWL_STACK_SIZE_MIN (16u << 10) /* of a workflow's coroutine: PAWL_E_INVALID */
#define PAWL_STACK_SIZE_MAX (64u << 20) /* as above */

/* Testing kit ------------------------------------------------------------------ */
#define PAWL_TEST_TURNS_MAX     100000u     /* of one run, unless set otherwise: PAWL_E_LIMIT */
#define PAWL_TEST_HELD_MAX      65536u      /* instances in memory; code of others is run anew */
#define PAWL_TEST_TEXT_SIZE_MAX (64u << 20) /* of a history: cut */

/* Sidecar ---------------------------------------------------------------------- */
#define PAWL_INSTANCE_IDLE_MS 5000u /* then the actor leaves memory */
#define PAWL_WAKES_SHARED     40u /* instances that the clock woke, at work in all of an app, … */
#define PAWL_WAKES_PER_MS     5u /* … or at each sidecar, per ms that the quickest took of late, … */
#define PAWL_WAKES_MAX        64u    /* … but never more than these; more wait their turn */
#define PAWL_WAKES_WINDOW_MS  10000u /* "of late" */
#define PAWL_WAKES_POLL_MIN   2u     /* places that must be free for a poll; small portions */
#define PAWL_WAKE_REST_MS_MAX 50u /* their places rest as long as they were taken, at most this */
#define PAWL_LIMITS_MAX       64u /* concurrency limits by name in a configuration: refused, says so */
#define PAWL_PEER_PLACES_MAX  (PAWL_LIMITS_MAX + 4u) /* of one sidecar: a mistake of the peer */
#define PAWL_PLACES_AGAIN_MS  250u     /* a question for places that was not answered */
#define PAWL_PLACES_RENEW_MS  700u     /* … that was, while places are held */
#define PAWL_PLACES_KEEP_MS   250u     /* a new place waits for one of another limit */
#define PAWL_PLACES_LEASE_MS  2000u    /* without an answer nothing more begins */
#define PAWL_PLACES_LOST_MS   2500u    /* the places of who has gone are free: LEASE and a margin */
#define PAWL_KEEPER_LEASE_MS  3000u    /* without a word of the store it gives out none */
#define PAWL_KEEPER_SETTLE_MS 5500u    /* a new one waits for both, and a margin */
#define PAWL_LIMIT_PLACES_MAX 1000000u /* of one of them: as above */
#define PAWL_BACKLOG_MAX      2048u    /* loading or waiting for a worker; more wait in the store */
#define PAWL_PASTS_SIZE_MAX \
    (64u << 20) /* histories kept for gRPC workers; others are read per turn */
#define PAWL_INSTANCES_MAX    200000u /* active at once; more wait in the store */
#define PAWL_REQUESTS_MAX     65536u  /* management requests in flight; more: PAWL_E_BUSY */
#define PAWL_WAIT_MS_MAX      3600000u
#define PAWL_EXTRA_SIZE_MAX   4096u /* of a start, what only gRPC workers read: PAWL_E_TOO_LARGE */
#define PAWL_WATCHES_MAX      256u  /* subscriptions that wait; more: PAWL_E_BUSY */
#define PAWL_WATCH_READS_MAX  32u   /* of partitions at a time for one of them */
#define PAWL_WATCH_LOOK_MS    1000u /* between looks for changes that nobody has told of */
#define PAWL_WATCH_LOOKS_MAX  256u  /* partitions per look; the others at the next ones */
#define PAWL_NEWS_TELL_MS     5u    /* other sidecars are told of changes at most so often */
#define PAWL_NEWS_WANTED_MS   3000u /* … so long after they asked; they ask again with each look */
#define PAWL_STOP_MS_MAX      5000u /* a stopping sidecar waits so long for what runs */
#define PAWL_STOP_LINGER_MS   1000u /* … then so long for what it still has to send */
#define PAWL_COALESCE_MS      2u    /* results of a wide fan-out wait this long for others */
#define PAWL_COALESCE_OPS_MIN 8u    /* pending operations from which that holds */

/* Placement --------------------------------------------------------------------- */
#define PAWL_HOST_SIZE_MAX              128u       /* name of a sidecar: refused, says so */
#define PAWL_ADDRESS_SIZE_MAX           256u       /* tcp://host:port: as above */
#define PAWL_PLACEMENT_MEMBERS_MAX      1024u      /* of a namespace; further ones: refused */
#define PAWL_PLACEMENT_NAMESPACES_MAX   256u       /* as above */
#define PAWL_PLACEMENT_CONNECTIONS_MAX  4096u      /* further ones are closed at once */
#define PAWL_PLACEMENT_ADDRESSES_MAX    16u        /* replicas a sidecar can be told of */
#define PAWL_PLACEMENT_FRAME_SIZE_MAX   (1u << 20) /* the connection ends */
#define PAWL_PLACEMENT_OUT_SIZE_MAX     (8u << 20) /* a sidecar that reads this slowly is cut off */
#define PAWL_PLACEMENT_HEARTBEAT_MS     500u
#define PAWL_PLACEMENT_SILENCE_MS       2500u /* the connection ends, either side */
#define PAWL_PLACEMENT_GRACE_MS         500u  /* a lost link may come back: nothing moves */
#define PAWL_PLACEMENT_PUBLISH_MS       50u   /* between two lists of a namespace */
#define PAWL_PLACEMENT_SETTLE_MS        2000u /* a new leader listens before its first list */
#define PAWL_PLACEMENT_SETTLE_QUIET_MS  500u  /* … and until nobody new came for this long */
#define PAWL_PLACEMENT_SETTLE_MS_MAX    6000u /* … but no longer than this */
#define PAWL_PLACEMENT_ANSWER_MS        1000u /* a dial or HELLO without answer: the next replica */
#define PAWL_PLACEMENT_SHUN_MS          1500u /* a replica that did not answer is not asked so long */
#define PAWL_PLACEMENT_RETRY_MS_MIN     100u
#define PAWL_PLACEMENT_RETRY_MS_MAX     500u  /* with ANSWER_MS well under SETTLE_MS */
#define PAWL_PLACEMENT_REFUSED_RETRY_MS 5000u /* after a refusal that only a person can mend */
#define PAWL_PLACEMENT_LEAVE_MS         2000u /* a stopping sidecar waits so long to be heard */
#define PAWL_LEADER_LEASE_MS            3000u /* of the leader; it renews four times in that */
#define PAWL_LEADER_MARGIN_MS           300u  /* its own clock ends the lease so much earlier */
#define PAWL_LEADER_ASK_MS              500u  /* the others ask this often */
#define PAWL_LEADER_TIMEOUT_MS          1000u /* a question without answer */

/* Other sidecars --------------------------------------------------------------- */
#define PAWL_BATCH_MS_MAX        60000u /* the same for a count or a batch: they are many */
#define PAWL_ROUTE_MS_MAX        10000u /* a call looks for its owner: then UNAVAILABLE */
#define PAWL_ROUTE_AGAIN_MS      50u    /* … this often, when things have moved */
#define PAWL_PEER_REPEAT_MS      5000u  /* what a peer has not answered is sent again */
#define PAWL_ACTIVITIES_KEPT_MAX 128u   /* so many run here: the next goes where its key says */
#define PAWL_RUN_ASK_EVERY_MS    5000u  /* "do you still run this?" */
#define PAWL_RUN_REFUSED_MS      1000u /* who had no worker is tried again, if it is listed with one */
#define PAWL_RUN_ASK_MAX         1024u  /* runs in one such question; more follow later */
#define PAWL_FIND_GATHER_MS      5u     /* "is one of you at it?" waits so long for more of them */
#define PAWL_FIND_MS             250u   /* no answer to it for so long: ask again … */
#define PAWL_FIND_QUESTIONS_MAX  8u     /* … so often; then it runs wherever it belongs */
#define PAWL_RUN_SILENT_MS       30000u /* no answer to it for so long: run elsewhere */
#define PAWL_RESULT_AGAIN_MS     1000u  /* a result not acknowledged is sent again; doubles */
#define PAWL_RESULT_AGAIN_MS_MAX 30000u
#define PAWL_RESULTS_MAX         100000u /* held for peers; more are dropped and run again */
#define PAWL_WORKERLESS_MS       2000u   /* a worker may come back so long, then others run it */
#define PAWL_PRESENCE_GRACE_MS   5000u   /* the same for workflows: then others own them */
#define PAWL_PRESENCE_STEADY_MS  500u    /* a first worker stays so long before it is told */
#define PAWL_PRESENCE_STEADY_MS_MAX \
    32000u /* … doubled each time that workers come and go, to this */
#define PAWL_MESSAGES_WAITING_MAX 65536u /* for absent sidecars, in memory; more in the store */

/* HTTP ------------------------------------------------------------------------- */
#define PAWL_HTTP_BODY_SIZE_MAX       PAWL_PAYLOAD_SIZE_MAX /* 413 */
#define PAWL_HTTP_CONNECTIONS_MAX     1024u
#define PAWL_HTTP_IDLE_MS             60000u
#define PAWL_HTTP_URL_SIZE_MAX        8192u        /* 414 */
#define PAWL_JSON_DEPTH_MAX           64u          /* 400 */
#define PAWL_HTTP_BODIES_SIZE_MAX     (256u << 20) /* of all requests together: 503 */
#define PAWL_HTTP_DRAIN_SIZE_MAX      (64u << 20)  /* of a refused body; then the connection ends */
#define PAWL_HTTP_REPLY_SIZE_MAX      (128u << 20) /* 500 with the advice to ask for fewer */
#define PAWL_HTTP_HEADER_SIZE_MAX     32768u       /* request line and headers: 431 */
#define PAWL_HTTP_SEGMENTS_MAX        8u           /* of a path: 404 */
#define PAWL_HTTP_GET_CONNECTIONS_MAX 64u          /* to look at a process; further ones wait */
#define PAWL_HTTP_EVENTS_BEAT_MS      15000u       /* an event stream is never silent for longer */
#define PAWL_HTTP_PARAMS_MAX          48u          /* of a query: 400 */

/* gRPC ------------------------------------------------------------------------- */
#define PAWL_GRPC_MESSAGE_IN_SIZE_MAX  (18u << 20)  /* RESOURCE_EXHAUSTED */
#define PAWL_GRPC_MESSAGE_OUT_SIZE_MAX (64u << 20)  /* as above; a stream's method is told */
#define PAWL_GRPC_STREAM_OUT_SIZE_MAX  (256u << 10) /* queued for one call: send says BUSY */
#define PAWL_GRPC_CONN_OUT_SIZE_MAX    (128u << 20) /* a reader this slow is cut off */
#define PAWL_GRPC_OUT_SIZE_MAX         (512u << 20) /* for all: as above, who holds most */
#define PAWL_GRPC_IN_SIZE_MAX          (256u << 20) /* half requests of all: RESOURCE_EXHAUSTED */
#define PAWL_GRPC_HEADERS_SIZE_MAX     16384u       /* of one call: RESOURCE_EXHAUSTED */
#define PAWL_GRPC_CONNECTIONS_MAX      1024u        /* further ones are closed at once */
#define PAWL_GRPC_CONN_CALLS_MAX       4096u        /* open on one connection: REFUSED_STREAM */
#define PAWL_GRPC_CALLS_MAX            65536u       /* of all connections: as above */
#define PAWL_GRPC_REQUEST_MS           60000u       /* a request not whole by then: CANCELLED */
#define PAWL_GRPC_LINGER_MS            60000u       /* an answer not read by then is dropped */
#define PAWL_GRPC_IDLE_MS              600000u      /* no call: GOAWAY; clients dial again */
#define PAWL_GRPC_PING_MS              10000u       /* a client this silent is asked */
#define PAWL_GRPC_SILENCE_MS           30000u       /* … and cut off when it does not answer */
#define PAWL_GRPC_RESETS_MAX           1000u        /* RST_STREAM in a burst: ENHANCE_YOUR_CALM */
#define PAWL_GRPC_RESETS_PER_S         200u         /* … that so many per second add to */
#define PAWL_GRPC_CONTROLS_MAX         200u         /* PING, SETTINGS and the like: as above */
#define PAWL_GRPC_CONTROLS_PER_S       20u
#define PAWL_GRPC_WORK_ITEMS_MAX                                                                   \
    1000u                               /* of each kind in one worker's hands, unless it says less \
                                         */
#define PAWL_GRPC_WORK_ITEMS_MAX_JS 50u /* the same for Dapr's JavaScript SDK, which drops more */
#define PAWL_GRPC_WORK_CREDIT       32u /* of them on the way to it at a time */
#define PAWL_GRPC_WORK_ITEM_MIB     4u  /* what gRPC clients take unless told otherwise … */
#define PAWL_GRPC_WORK_ITEM_MIB_MAX 64u /* … and --work-item-size goes to: the instance stalls */
#define PAWL_GRPC_HISTORY_PART_SIZE (1u << 20)   /* a longer past is streamed to who can */
#define PAWL_GRPC_HELD_MAX          1024u        /* histories counted on per stream: oldest go */
#define PAWL_GRPC_HEALTH_PING_MS    30000u       /* Microsoft's workers leave a silent stream */
#define PAWL_GRPC_ABANDON_MS        1000u        /* what a worker gives back waits so long */
#define PAWL_TRACE_TEXT_SIZE_MAX    512u         /* of a trace context: longer ones are left out */
#define PAWL_PROTOBUF_DEPTH_MAX     32u          /* nested messages: INVALID_ARGUMENT */
#define PAWL_PROTOBUF_MEMORY_MAX    (128u << 20) /* unpacked: INVALID_ARGUMENT */

#endif /* PAWL_BASE_LIMITS_H */
