# The gRPC server: HTTP/2 and calls without sockets, and the sockets around them.
add_library(pawl_grpc STATIC grpc.c grpc_call.c grpc_session.c grpc_wire.c)
target_link_libraries(pawl_grpc PUBLIC pawl_base PRIVATE PkgConfig::NGHTTP2)

add_library(pawl_grpc_io STATIC io/grpc.c io/tls.c)
target_link_libraries(pawl_grpc_io PUBLIC pawl_grpc PkgConfig::LIBUV PRIVATE PkgConfig::OPENSSL)
