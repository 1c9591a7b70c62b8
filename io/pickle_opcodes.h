// The opcodes of pickles, by the names of Python's documentation (Lib/pickletools.py).
#pragma once

#include <cstdint>

namespace gadolin::detail {

// clang-format off
enum PickleOp : std::uint8_t {
  MARK = '(', STOP = '.', NONE = 'N', NEWTRUE = 0x88, NEWFALSE = 0x89, PROTO = 0x80, FRAME = 0x95,
  BININT = 'J', BININT1 = 'K', BININT2 = 'M', LONG1 = 0x8a, LONG4 = 0x8b, BINFLOAT = 'G',
  BINUNICODE = 'X', SHORT_BINUNICODE = 0x8c, BINUNICODE8 = 0x8d, BINSTRING = 'T', SHORT_BINSTRING = 'U',
  BINBYTES = 'B', SHORT_BINBYTES = 'C', BINBYTES8 = 0x8e,
  EMPTY_LIST = ']', APPEND = 'a', APPENDS = 'e', EMPTY_SET = 0x8f, ADDITEMS = 0x90, FROZENSET = 0x91,
  EMPTY_TUPLE = ')', TUPLE = 't', TUPLE1 = 0x85, TUPLE2 = 0x86, TUPLE3 = 0x87,
  EMPTY_DICT = '}', SETITEM = 's', SETITEMS = 'u', GLOBAL = 'c', STACK_GLOBAL = 0x93,
  REDUCE = 'R', NEWOBJ = 0x81, BUILD = 'b', BINPERSID = 'Q',
  BINPUT = 'q', LONG_BINPUT = 'r', MEMOIZE = 0x94, BINGET = 'h', LONG_BINGET = 'j',
};

// Opcodes that are refused: name them as Python's documentation does.
inline const char* refused_name(std::uint8_t op) {
  switch (op) {
    case 'I': return "INT"; case 'L': return "LONG"; case 'S': return "STRING"; case 'V': return "UNICODE";
    case 'F': return "FLOAT"; case 'l': return "LIST"; case 'd': return "DICT"; case '0': return "POP";
    case '1': return "POP_MARK"; case '2': return "DUP"; case 'g': return "GET"; case 'p': return "PUT";
    case 'i': return "INST"; case 'o': return "OBJ"; case 'P': return "PERSID"; case 0x82: return "EXT1";
    case 0x83: return "EXT2"; case 0x84: return "EXT4"; case 0x92: return "NEWOBJ_EX"; case 0x96: return "BYTEARRAY8";
    case 0x97: return "NEXT_BUFFER"; case 0x98: return "READONLY_BUFFER"; default: return "no opcode";
  }
}
// clang-format on

}  // namespace gadolin::detail
