# The schema of the durabletask protocol, compiled by protobuf-c, and what maps it to the
# engine's values. Nothing here touches the world.
set(PAWL_GENERATED ${PROJECT_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${PAWL_GENERATED})

# pawl_protobuf_schema(TARGET NAME): sidecar/proto/NAME.proto.
function(pawl_protobuf_schema target name)
  set(schema sidecar/proto/${name})
  add_custom_command(
    OUTPUT ${PAWL_GENERATED}/${schema}.pb-c.c ${PAWL_GENERATED}/${schema}.pb-c.h
    COMMAND ${PAWL_PROTOC_C} --proto_path=${PROJECT_SOURCE_DIR} --c_out=${PAWL_GENERATED}
            ${PROJECT_SOURCE_DIR}/${schema}.proto
    DEPENDS ${PROJECT_SOURCE_DIR}/${schema}.proto
    VERBATIM)
  # What is generated is not held to the warnings of what is written.
  add_library(${target} STATIC ${PAWL_GENERATED}/${schema}.pb-c.c)
  target_compile_options(${target} PRIVATE -w)
  target_include_directories(${target} SYSTEM PUBLIC ${PAWL_GENERATED})
  target_link_libraries(${target} PUBLIC PkgConfig::PROTOBUF_C)
endfunction()

pawl_protobuf_schema(pawl_durabletask_schema durabletask)

add_library(pawl_durabletask STATIC protobuf.c durabletask_events.c durabletask_actions.c)
target_link_libraries(pawl_durabletask PUBLIC pawl_contract pawl_durabletask_schema)

# GetWorkItems streams as workers of the node.
add_library(pawl_grpc_worker STATIC grpc_capabilities.c grpc_held.c grpc_items.c grpc_names.c grpc_quota.c
            grpc_worker.c)
target_link_libraries(pawl_grpc_worker PUBLIC pawl_durabletask pawl_grpc pawl_state)

# The service of both dialects.
pawl_protobuf_schema(pawl_dapr_runtime_schema dapr_runtime)
add_library(pawl_taskhub STATIC taskhub.c taskhub_dapr.c taskhub_manage.c taskhub_query.c)
target_link_libraries(pawl_taskhub PUBLIC pawl_grpc_worker PRIVATE pawl_dapr_runtime_schema)
