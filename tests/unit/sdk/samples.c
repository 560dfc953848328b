#include "samples.h"

#include "base/assert.h"
#include "base/bytes.h"

#define TEXT(text) PAWL_BYTES_LITERAL(text)

struct pawl_id pawl_sample_id(uint8_t first)
{
    struct pawl_id id;
    for (size_t i = 0; i < sizeof id.bytes; i++) id.bytes[i] = (uint8_t)(first + i);
    return id;
}

struct pawl_failure_view pawl_sample_failure(void)
{
    /* {1: false, 3: "root"} */
    return (struct pawl_failure_view){ .present = true,
                                       .non_retriable = true,
                                       .type = TEXT("PaymentDeclined"),
                                       .message = TEXT("no money"),
                                       .details = TEXT("at step 3"),
                                       .inner = TEXT("\x82\x01\xc2\x03\xa4root") };
}

static struct pawl_history_event event_started(struct pawl_history_event event)
{
    event.name = TEXT("Order");
    event.version = TEXT("2");
    event.payload = TEXT("{\"n\":1}");
    event.execution = pawl_sample_id(0x10);
    event.start_at_ms = PAWL_SAMPLE_TIME_MS + 5000;
    event.parent = (struct pawl_parent){ .app = TEXT("shop"),
                                         .instance = TEXT("parent-1"),
                                         .inc = pawl_sample_id(0x20),
                                         .gen = 3,
                                         .op_id = 7,
                                         .nonce = UINT64_C(0x1122334455667788) };
    return event;
}

static struct pawl_history_event event_scheduled(struct pawl_history_event event)
{
    event.id = 4;
    event.name = TEXT("Charge");
    event.version = TEXT("1");
    event.payload = TEXT("[1,2]");
    event.target_app = TEXT("bank");
    return event;
}

static struct pawl_history_event event_result(struct pawl_history_event event)
{
    event.ref = 4;
    event.payload = TEXT("\"done\"");
    return event;
}

static struct pawl_history_event event_failed(struct pawl_history_event event)
{
    event.ref = 300;
    event.failure = pawl_sample_failure();
    return event;
}

static struct pawl_history_event event_timer(struct pawl_history_event event)
{
    event.fire_at_ms = PAWL_SAMPLE_TIME_MS + 60000;
    return event;
}

struct pawl_history_event pawl_sample_event(int kind)
{
    struct pawl_history_event event =
        pawl_history_event_make((enum pawl_event_kind)kind, PAWL_SAMPLE_TIME_MS);
    switch ((enum pawl_event_kind)kind) {
    case PAWL_EVENT_EXECUTION_STARTED: return event_started(event);
    case PAWL_EVENT_EXECUTION_COMPLETED:
        event.status = PAWL_STATUS_FAILED;
        event.payload = TEXT("");
        event.failure = pawl_sample_failure();
        return event;
    case PAWL_EVENT_EXECUTION_TERMINATED:
        event.payload = TEXT("enough");
        event.recursive = true;
        return event;
    case PAWL_EVENT_TASK_SCHEDULED:
        event = event_scheduled(event);
        event.task_execution = pawl_sample_id(0x30);
        return event;
    case PAWL_EVENT_CHILD_CREATED:
        event = event_scheduled(event);
        event.instance = TEXT("child-1");
        return event;
    case PAWL_EVENT_DETACHED_CREATED:
        event = event_scheduled(event);
        event.instance = TEXT("free-1");
        event.start_at_ms = PAWL_SAMPLE_TIME_MS + 1000;
        event.tags = TEXT("\x92\xa4team\xa6growth");
        return event;
    case PAWL_EVENT_TASK_COMPLETED:
    case PAWL_EVENT_CHILD_COMPLETED: return event_result(event);
    case PAWL_EVENT_TASK_FAILED:
    case PAWL_EVENT_CHILD_FAILED: return event_failed(event);
    case PAWL_EVENT_TIMER_CREATED:
        event.id = 0;
        event.name = TEXT("retry");
        return event_timer(event);
    case PAWL_EVENT_TIMER_FIRED: event.ref = 0; return event_timer(event);
    case PAWL_EVENT_TASK_CANCELLED:
    case PAWL_EVENT_TIMER_CANCELLED: event.ref = INT32_MAX; return event;
    case PAWL_EVENT_WORKFLOW_STARTED: return event;
    case PAWL_EVENT_EVENT_SENT:
        event.id = 9;
        event.instance = TEXT("other");
        event.name = TEXT("ping");
        event.payload = TEXT("1");
        return event;
    case PAWL_EVENT_EVENT_RAISED:
        event.name = TEXT("approved");
        event.payload = TEXT("true");
        return event;
    case PAWL_EVENT_CONTINUE_AS_NEW: event.payload = TEXT("{\"n\":2}"); return event;
    case PAWL_EVENT_EXECUTION_SUSPENDED:
    case PAWL_EVENT_EXECUTION_REWOUND:
    case PAWL_EVENT_EXECUTION_RESUMED: event.payload = TEXT("by hand"); return event;
    case PAWL_EVENT_EXECUTION_STALLED:
        event.name = TEXT("NONDETERMINISM");
        event.payload = TEXT("event 3 was a timer");
        return event;
    }
    PAWL_UNREACHABLE("not an event kind");
}

/* Requests --------------------------------------------------------------------- */

struct pawl_request pawl_sample_request(int op)
{
    struct pawl_request request = { .op = (enum pawl_request_op)op };
    if (op < PAWL_REQUEST_COUNT && op != PAWL_REQUEST_LIST) request.instance = TEXT("order-1");
    switch (request.op) {
    case PAWL_REQUEST_START:
        request.request_id = TEXT("request-1");
        request.name = TEXT("Order");
        request.version = TEXT("2");
        request.payload = TEXT("{}");
        request.start_at_ms = PAWL_SAMPLE_TIME_MS;
        request.reuse = PAWL_REUSE_TERMINAL;
        request.event_name = TEXT("approved");
        request.event_data = TEXT("true");
        break;
    case PAWL_REQUEST_GET: request.with_payloads = true; break;
    case PAWL_REQUEST_WAIT:
        request.wait_for = PAWL_WAIT_COMPLETED;
        request.timeout_ms = 30000;
        break;
    case PAWL_REQUEST_RAISE:
        request.name = TEXT("approved");
        request.payload = TEXT("true");
        request.request_id = TEXT("request-2");
        break;
    case PAWL_REQUEST_SUSPEND:
    case PAWL_REQUEST_RESUME: request.payload = TEXT("by hand"); break;
    case PAWL_REQUEST_TERMINATE:
        request.payload = TEXT("\"stop\"");
        request.recursive = true;
        break;
    case PAWL_REQUEST_PURGE:
        request.force = true;
        request.recursive = true;
        break;
    case PAWL_REQUEST_WATCH:
        request.name = TEXT("Order");
        request.status_mask = 1u << PAWL_STATUS_FAILED;
        request.cursor = TEXT("a4-1.2.3.4");
        request.limit = 100;
        request.timeout_ms = 15000;
        break;
    case PAWL_REQUEST_COUNT:
    case PAWL_REQUEST_BATCH:
    case PAWL_REQUEST_LIST:
        if (op == PAWL_REQUEST_BATCH) {
            request.batch_op = PAWL_REQUEST_RAISE;
            request.all = true;
            request.event_name = TEXT("approved");
            request.event_data = TEXT("true");
        }
        if (op != PAWL_REQUEST_LIST) {
            request.tags = TEXT("\x92\xa4team\xa4"
                                "blue");
            request.order = PAWL_LIST_COMPLETED;
            request.completed_from_ms = PAWL_SAMPLE_TIME_MS;
            request.completed_to_ms = PAWL_SAMPLE_TIME_MS + 2;
            request.updated_from_ms = PAWL_SAMPLE_TIME_MS;
            request.updated_to_ms = PAWL_SAMPLE_TIME_MS + 3;
        }
        request.status_mask = 1u << PAWL_STATUS_RUNNING | 1u << PAWL_STATUS_STALLED;
        request.name = TEXT("Order");
        request.prefix = TEXT("order-");
        request.created_from_ms = PAWL_SAMPLE_TIME_MS;
        request.created_to_ms = PAWL_SAMPLE_TIME_MS + 1;
        request.limit = 100;
        request.cursor = TEXT("next-page");
        break;
    case PAWL_REQUEST_HISTORY:
        request.from = 512;
        request.limit = 512;
        break;
    case PAWL_REQUEST_RESTART:
        request.new_instance = TEXT("order-2");
        request.request_id = TEXT("req-1");
        break;
    case PAWL_REQUEST_IMPORT:
        request.name = TEXT("Order");
        request.payload = TEXT("\x9a packed");
        request.request_id = TEXT("req-1");
        break;
    case PAWL_REQUEST_REWIND:
        request.payload = TEXT("the bank is back");
        request.request_id = TEXT("req-1");
        break;
    case PAWL_REQUEST_RERUN:
        request.new_instance = TEXT("order-2");
        request.payload = TEXT("{\"again\":true}");
        break;
    }
    return request;
}

/* Frames ----------------------------------------------------------------------- */

static struct pawl_bytes *events_two(struct pawl_arena *arena)
{
    struct pawl_bytes *events = PAWL_ARENA_ARRAY(arena, struct pawl_bytes, 2);
    struct pawl_history_event first = pawl_sample_event(PAWL_EVENT_WORKFLOW_STARTED);
    struct pawl_history_event second = pawl_sample_event(PAWL_EVENT_EVENT_RAISED);
    events[0] = pawl_history_event_pack(arena, &first);
    events[1] = pawl_history_event_pack(arena, &second);
    return events;
}

static struct pawl_hello sample_hello(struct pawl_arena *arena)
{
    struct pawl_registration *workflows = PAWL_ARENA_ARRAY(arena, struct pawl_registration, 2);
    workflows[0] = (struct pawl_registration){ .name = TEXT("Order"), .version = TEXT("2") };
    workflows[1] = (struct pawl_registration){ .name = TEXT("Refund") };
    struct pawl_registration *activities = PAWL_ARENA_NEW(arena, struct pawl_registration);
    activities[0] = (struct pawl_registration){ .name = TEXT("Charge") };
    return (struct pawl_hello){ .protocol_version = PAWL_PROTOCOL_VERSION,
                                .app_id = TEXT("shop"),
                                .token = TEXT("secret"),
                                .worker = TEXT("host:123"),
                                .workflows_count = 2,
                                .workflows = workflows,
                                .activities_count = 1,
                                .activities = activities };
}

static struct pawl_turn sample_turn(struct pawl_arena *arena)
{
    return (struct pawl_turn){ .turn = pawl_sample_id(0x40),
                               .base = pawl_sample_id(0x50),
                               .inc = pawl_sample_id(0x60),
                               .gen = 2,
                               .instance = TEXT("order-1"),
                               .name = TEXT("Order"),
                               .version = TEXT("2"),
                               .past_count = 1,
                               .events_count = 2,
                               .events = events_two(arena) };
}

/* One action of each kind but COMPLETE, which only the end could hold as well. */
static struct pawl_turn_done sample_turn_done(struct pawl_arena *arena)
{
    struct pawl_action *actions = PAWL_ARENA_ARRAY(arena, struct pawl_action, 6);
    actions[0] = (struct pawl_action){ .kind = PAWL_ACTION_ACTIVITY,
                                       .id = 0,
                                       .name = TEXT("Charge"),
                                       .version = TEXT("1"),
                                       .payload = TEXT(""),
                                       .target_app = TEXT("bank"),
                                       .task_execution = pawl_sample_id(0x70) };
    actions[1] = (struct pawl_action){
        .kind = PAWL_ACTION_TIMER, .id = 1, .fire_at_ms = PAWL_SAMPLE_TIME_MS, .name = TEXT("retry")
    };
    actions[2] = (struct pawl_action){ .kind = PAWL_ACTION_CANCEL_TIMER, .ref = 1 };
    actions[3] = (struct pawl_action){ .kind = PAWL_ACTION_CHILD,
                                       .id = 2,
                                       .name = TEXT("Ship"),
                                       .payload = TEXT("{}"),
                                       .instance = TEXT("ship-1") };
    actions[4] = (struct pawl_action){ .kind = PAWL_ACTION_SEND_EVENT,
                                       .id = 3,
                                       .name = TEXT("ping"),
                                       .payload = TEXT("1"),
                                       .instance = TEXT("other") };
    actions[5] = (struct pawl_action){ .kind = PAWL_ACTION_CONTINUE,
                                       .payload = TEXT("{\"n\":2}"),
                                       .version = TEXT("3"),
                                       .carry_count = 1,
                                       .carry = events_two(arena) + 1 };
    return (struct pawl_turn_done){ .turn = pawl_sample_id(0x40),
                                    .instance = TEXT("order-1"),
                                    .cached = true,
                                    .message = TEXT("all well"),
                                    .custom_status_set = true,
                                    .custom_status = TEXT("half way"),
                                    .actions_count = 6,
                                    .actions = actions };
}

static struct pawl_answer sample_answer(struct pawl_arena *arena)
{
    struct pawl_instance_state *states = PAWL_ARENA_NEW(arena, struct pawl_instance_state);
    states[0] = (struct pawl_instance_state){ .instance = TEXT("order-1"),
                                              .name = TEXT("Order"),
                                              .version = TEXT("2"),
                                              .status = PAWL_STATUS_FAILED,
                                              .gen = 2,
                                              .history_count = 17,
                                              .created_ms = PAWL_SAMPLE_TIME_MS,
                                              .started_ms = PAWL_SAMPLE_TIME_MS + 1,
                                              .updated_ms = PAWL_SAMPLE_TIME_MS + 2,
                                              .completed_ms = PAWL_SAMPLE_TIME_MS + 3,
                                              .custom_status = TEXT("half way"),
                                              .input = TEXT("{}"),
                                              .output = TEXT(""),
                                              .failure = pawl_sample_failure(),
                                              .parent_instance = TEXT("parent-1") };
    return (struct pawl_answer){ .err = PAWL_E_TERMINAL,
                                 .message = TEXT("it has ended"),
                                 .reached = true,
                                 .instance = TEXT("order-1"),
                                 .states_count = 1,
                                 .states = states,
                                 .cursor = TEXT("next-page"),
                                 .events_total = 2,
                                 .events_count = 2,
                                 .events = events_two(arena) };
}

static struct pawl_activity_item sample_activity(void)
{
    return (struct pawl_activity_item){ .token = pawl_sample_id(0x80),
                                        .instance = TEXT("order-1"),
                                        .task_execution = pawl_sample_id(0x70),
                                        .id = 4,
                                        .attempt = 2,
                                        .name = TEXT("Charge"),
                                        .version = TEXT("1"),
                                        .payload = TEXT("[1,2]") };
}

struct pawl_frame pawl_sample_frame(int type, struct pawl_arena *arena)
{
    struct pawl_frame frame = { .type = (enum pawl_frame_type)type };
    switch (frame.type) {
    case PAWL_FRAME_HELLO: frame.hello = sample_hello(arena); return frame;
    case PAWL_FRAME_WELCOME:
        frame.welcome = (struct pawl_welcome){ .protocol_version = PAWL_PROTOCOL_VERSION,
                                               .app_id = TEXT("shop"),
                                               .sidecar = TEXT("pawld-1"),
                                               .payload_size_max = 4u << 20 };
        return frame;
    case PAWL_FRAME_REFUSED:
        frame.refused =
            (struct pawl_refused){ .err = PAWL_E_DENIED, .message = TEXT("wrong token") };
        return frame;
    case PAWL_FRAME_CREDIT:
        frame.credit = (struct pawl_credit){ .turns = 16, .activities = 256 };
        return frame;
    case PAWL_FRAME_HISTORY:
        frame.history = (struct pawl_history_chunk){ .turn = pawl_sample_id(0x40),
                                                     .events_count = 2,
                                                     .events = events_two(arena) };
        return frame;
    case PAWL_FRAME_TURN: frame.turn = sample_turn(arena); return frame;
    case PAWL_FRAME_TURN_DONE: frame.turn_done = sample_turn_done(arena); return frame;
    case PAWL_FRAME_NEED_HISTORY:
        frame.need_history =
            (struct pawl_need_history){ .turn = pawl_sample_id(0x40), .instance = TEXT("order-1") };
        return frame;
    case PAWL_FRAME_EVICT: frame.evict.instance = TEXT("order-1"); return frame;
    case PAWL_FRAME_ACTIVITY: frame.activity = sample_activity(); return frame;
    case PAWL_FRAME_ACTIVITY_DONE:
        frame.activity_done = (struct pawl_activity_done){ .token = pawl_sample_id(0x80),
                                                           .payload = TEXT("ok"),
                                                           .failure = pawl_sample_failure() };
        return frame;
    case PAWL_FRAME_ACTIVITY_HEARTBEAT:
        frame.activity_beat =
            (struct pawl_activity_beat){ .token = pawl_sample_id(0x80), .progress = TEXT("7/9") };
        return frame;
    case PAWL_FRAME_ACTIVITY_CANCEL: frame.activity_cancel = pawl_sample_id(0x80); return frame;
    case PAWL_FRAME_REQUEST:
        frame.request.token = UINT64_MAX;
        frame.request.request = pawl_sample_request(PAWL_REQUEST_START);
        return frame;
    case PAWL_FRAME_ANSWER:
        frame.answer.token = 77;
        frame.answer.answer = sample_answer(arena);
        return frame;
    case PAWL_FRAME_PING:
    case PAWL_FRAME_PONG:
    case PAWL_FRAME_BYE: return frame;
    case PAWL_FRAME_TYPES_END: break;
    }
    PAWL_UNREACHABLE("not a frame type");
}
