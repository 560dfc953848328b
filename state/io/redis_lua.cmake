# Turns one script into a C array: cmake -DIN=… -DOUT=… -DNAME=… -P redis_lua.cmake
# The shebang must stay the first line; lines "--@include file" right behind it are
# replaced by that file.
get_filename_component(folder "${IN}" DIRECTORY)
file(STRINGS "${IN}" first LIMIT_COUNT 1)
file(STRINGS "${IN}" includes REGEX "^--@include [a-z]+\\.lua$")
file(READ "${IN}" script HEX)

string(LENGTH "${first}" size)
math(EXPR digits "2 * (${size} + 1)")
string(SUBSTRING "${script}" 0 ${digits} head)
string(SUBSTRING "${script}" ${digits} -1 body)
foreach(include ${includes})
  string(REPLACE "--@include " "" file "${include}")
  file(READ "${folder}/${file}" part HEX)
  string(APPEND head "${part}")
endforeach()

string(REGEX REPLACE "(..)" "0x\\1," bytes "${head}${body}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)"
                     "\\1\n" bytes "${bytes}")
file(WRITE "${OUT}" "static const unsigned char lua_${NAME}[] = {\n${bytes}\n};\n")
