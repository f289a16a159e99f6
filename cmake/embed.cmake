# Files as C arrays: cmake -DOUT=file.c -DFILES="name=path;name=path" -P embed.cmake. Each becomes NAME and NAME_size.
set(text "// Made by cmake/embed.cmake from files of console/.\n#include <stddef.h>\n")
foreach(pair ${FILES})
  string(REGEX REPLACE "=.*" "" name "${pair}")
  string(REGEX REPLACE "^[^=]*=" "" path "${pair}")
  file(READ "${path}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(APPEND text "extern const unsigned char ${name}[];\nextern const size_t ${name}_size;\n"
         "const unsigned char ${name}[] = {${bytes}0};\nconst size_t ${name}_size = ${size};\n")
endforeach()
file(WRITE "${OUT}" "${text}")
