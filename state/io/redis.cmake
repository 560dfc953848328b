# The Redis backend. Scripts become C arrays, so that the binary is complete.
set(redis_io ${CMAKE_CURRENT_LIST_DIR})
set(redis_lua ${CMAKE_CURRENT_BINARY_DIR}/redis_lua)
set(redis_lua_arrays)
foreach(script schema acquire create load commit deliver poll purge outdone query inspect changes lease)
  add_custom_command(
    OUTPUT ${redis_lua}/${script}.inc
    COMMAND ${CMAKE_COMMAND} -DIN=${redis_io}/lua/${script}.lua -DOUT=${redis_lua}/${script}.inc
            -DNAME=${script} -P ${redis_io}/redis_lua.cmake
    DEPENDS ${redis_io}/lua/${script}.lua ${redis_io}/lua/many.lua ${redis_io}/lua/fields.lua
            ${redis_io}/lua/remove.lua ${redis_io}/lua/index.lua ${redis_io}/lua/readable.lua
            ${redis_io}/lua/change.lua ${redis_io}/redis_lua.cmake
    VERBATIM)
  list(APPEND redis_lua_arrays ${redis_lua}/${script}.inc)
endforeach()

set(redis_sources)
foreach(part "" _conn _decode _encode _error _find _hello _lease _node _route _script _slots _tls _url
        _value)
  list(APPEND redis_sources ${redis_io}/redis${part}.c)
endforeach()
add_library(pawl_store_redis STATIC ${redis_sources} ${redis_lua_arrays})
target_include_directories(pawl_store_redis PRIVATE ${redis_lua})
target_link_libraries(pawl_store_redis PUBLIC pawl_state PkgConfig::LIBUV
                                       PRIVATE PkgConfig::HIREDIS PkgConfig::OPENSSL)
