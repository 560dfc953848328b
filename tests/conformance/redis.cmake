# Tests against a real redis-server, which each of them starts for itself. They exit
# with 77, shown as skipped, when it is not installed.
add_library(pawl_redis_tests STATIC ${CMAKE_CURRENT_LIST_DIR}/redis_client.c
                                    ${CMAKE_CURRENT_LIST_DIR}/redis_group.c
                                    ${CMAKE_CURRENT_LIST_DIR}/redis_server.c)
target_link_libraries(pawl_redis_tests PUBLIC pawl_conformance pawl_store_redis PkgConfig::HIREDIS)
target_include_directories(pawl_redis_tests PUBLIC ${CMAKE_CURRENT_LIST_DIR})

add_executable(conformance_redis ${CMAKE_CURRENT_LIST_DIR}/conformance_redis.c)
target_link_libraries(conformance_redis PRIVATE pawl_redis_tests)
add_test(NAME conformance/redis COMMAND conformance_redis)
pawl_conformance_long(redis)
set_tests_properties(conformance/redis PROPERTIES TIMEOUT 1800 SKIP_RETURN_CODE 77)

add_executable(conformance_redis_group ${CMAKE_CURRENT_LIST_DIR}/conformance_redis_group.c)
target_link_libraries(conformance_redis_group PRIVATE pawl_redis_tests)
foreach(kind cluster reshard sentinel tls d2)
  add_test(NAME conformance/redis-${kind} COMMAND conformance_redis_group ${kind})
  set_tests_properties(conformance/redis-${kind} PROPERTIES TIMEOUT 1800 SKIP_RETURN_CODE 77)
  add_test(NAME conformance/redis-${kind}-long
           COMMAND conformance_redis_group ${kind} --ops 200000 --seed 4711)
  set_tests_properties(conformance/redis-${kind}-long PROPERTIES LABELS long TIMEOUT 7200
                                                                 SKIP_RETURN_CODE 77)
endforeach()

foreach(test operations server fake fake_cluster lease tls failover)
  add_executable(test_redis_${test} ${CMAKE_CURRENT_LIST_DIR}/test_redis_${test}.c)
  target_link_libraries(test_redis_${test} PRIVATE pawl_redis_tests PkgConfig::CMOCKA)
  add_test(NAME conformance/redis/${test} COMMAND test_redis_${test})
  set_tests_properties(conformance/redis/${test} PROPERTIES TIMEOUT 1800 SKIP_RETURN_CODE 77)
endforeach()
add_test(NAME conformance/redis/failover-long COMMAND test_redis_failover --slow)
set_tests_properties(conformance/redis/failover-long PROPERTIES LABELS long TIMEOUT 7200
                                                                SKIP_RETURN_CODE 77)
