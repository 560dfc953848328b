/* Shape of the frames: how many fields each type has, and the numbers of the fields
 * in the maps that frames carry. Both directions of the codec share them; they are
 * part of the protocol and never reused. */
#ifndef PAWL_SDK_FRAMES_KEYS_H
#define PAWL_SDK_FRAMES_KEYS_H

#include "base/assert.h"
#include "sdk/frames.h"

/* The type itself is not counted. */
static inline uint32_t pawl_frame_fields_count(enum pawl_frame_type type)
{
    switch (type) {
    case PAWL_FRAME_HELLO: return 6;
    case PAWL_FRAME_WELCOME: return 4;
    case PAWL_FRAME_REFUSED: return 2;
    case PAWL_FRAME_PING: return 0;
    case PAWL_FRAME_PONG: return 0;
    case PAWL_FRAME_CREDIT: return 2;
    case PAWL_FRAME_HISTORY: return 2;
    case PAWL_FRAME_TURN: return 9;
    case PAWL_FRAME_TURN_DONE: return 8;
    case PAWL_FRAME_NEED_HISTORY: return 2;
    case PAWL_FRAME_EVICT: return 1;
    case PAWL_FRAME_ACTIVITY: return 8;
    case PAWL_FRAME_ACTIVITY_DONE: return 3;
    case PAWL_FRAME_REQUEST: return 3;
    case PAWL_FRAME_ANSWER: return 9;
    case PAWL_FRAME_BYE: return 0;
    case PAWL_FRAME_TYPES_END: break;
    }
    PAWL_UNREACHABLE("a frame type that does not exist");
}

enum pawl_action_field {
    PAWL_ACTION_FIELD_KIND = 1,
    PAWL_ACTION_FIELD_ID = 2,
    PAWL_ACTION_FIELD_REF = 3,
    PAWL_ACTION_FIELD_NAME = 4,
    PAWL_ACTION_FIELD_VERSION = 5,
    PAWL_ACTION_FIELD_PAYLOAD = 6,
    PAWL_ACTION_FIELD_TARGET_APP = 7,
    PAWL_ACTION_FIELD_INSTANCE = 8,
    PAWL_ACTION_FIELD_FIRE_AT_MS = 9,
    PAWL_ACTION_FIELD_STATUS = 10,
    PAWL_ACTION_FIELD_TASK_EXECUTION = 11,
    PAWL_ACTION_FIELD_FAILURE = 12,
    PAWL_ACTION_FIELD_CARRY = 13,
};

enum pawl_request_field {
    PAWL_REQUEST_FIELD_INSTANCE = 1,
    PAWL_REQUEST_FIELD_NEW_INSTANCE = 2,
    PAWL_REQUEST_FIELD_REQUEST_ID = 3,
    PAWL_REQUEST_FIELD_NAME = 4,
    PAWL_REQUEST_FIELD_VERSION = 5,
    PAWL_REQUEST_FIELD_PAYLOAD = 6,
    PAWL_REQUEST_FIELD_PREFIX = 7,
    PAWL_REQUEST_FIELD_CURSOR = 8,
    PAWL_REQUEST_FIELD_REUSE = 9,
    PAWL_REQUEST_FIELD_WAIT_FOR = 10,
    PAWL_REQUEST_FIELD_WITH_PAYLOADS = 11,
    PAWL_REQUEST_FIELD_RECURSIVE = 12,
    PAWL_REQUEST_FIELD_FORCE = 13,
    PAWL_REQUEST_FIELD_STATUS_MASK = 14,
    PAWL_REQUEST_FIELD_LIMIT = 15,
    PAWL_REQUEST_FIELD_FROM = 16,
    PAWL_REQUEST_FIELD_START_AT_MS = 17,
    PAWL_REQUEST_FIELD_TIMEOUT_MS = 18,
    PAWL_REQUEST_FIELD_CREATED_FROM_MS = 19,
    PAWL_REQUEST_FIELD_CREATED_TO_MS = 20,
};

enum pawl_state_field {
    PAWL_STATE_FIELD_INSTANCE = 1,
    PAWL_STATE_FIELD_NAME = 2,
    PAWL_STATE_FIELD_VERSION = 3,
    PAWL_STATE_FIELD_STATUS = 4,
    PAWL_STATE_FIELD_GEN = 5,
    PAWL_STATE_FIELD_HISTORY_COUNT = 6,
    PAWL_STATE_FIELD_CREATED_MS = 7,
    PAWL_STATE_FIELD_STARTED_MS = 8,
    PAWL_STATE_FIELD_UPDATED_MS = 9,
    PAWL_STATE_FIELD_COMPLETED_MS = 10,
    PAWL_STATE_FIELD_CUSTOM_STATUS = 11,
    PAWL_STATE_FIELD_INPUT = 12,
    PAWL_STATE_FIELD_OUTPUT = 13,
    PAWL_STATE_FIELD_FAILURE = 14,
    PAWL_STATE_FIELD_PARENT_INSTANCE = 15,
};

#endif /* PAWL_SDK_FRAMES_KEYS_H */
