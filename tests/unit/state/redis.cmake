# The parts of the Redis backend that need no server.
set(redis_tests ${CMAKE_CURRENT_LIST_DIR})
foreach(test url decode slots)
  pawl_unit_test(state/redis_${test} SOURCES ${redis_tests}/test_redis_${test}.c LIBS
                 pawl_store_redis)
endforeach()
