# The HTTP front: pure translation, and the server around it.
add_library(pawl_http_text STATIC http_events.c http_info.c http_json.c http_metrics.c http_reply.c
                                  http_request.c http_route.c http_schedule.c http_url.c)
target_link_libraries(pawl_http_text PUBLIC pawl_import_request pawl_contract pawl_state pawl_grpc)

add_library(pawl_http STATIC io/http.c io/http_exchange.c io/http_peer.c io/http_process.c)
target_link_libraries(pawl_http PUBLIC pawl_http_text pawl_process PkgConfig::LIBUV
                                PRIVATE PkgConfig::MHD)
