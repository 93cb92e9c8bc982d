// The operations of a pickle, protocols 0 to 5. Source: CPython's Lib/pickletools.py (the list), PEP
// 307 (protocol 2), PEP 3154 (protocol 4), PEP 574 (protocol 5).

enum PickleOpcode: UInt8, Sendable {
  case mark = 0x28  // (
  case stop = 0x2e  // .
  case pop = 0x30  // 0
  case popMark = 0x31  // 1
  case duplicate = 0x32  // 2
  case floatText = 0x46  // F
  case integerText = 0x49  // I
  case integer4 = 0x4a  // J
  case integer1 = 0x4b  // K
  case longText = 0x4c  // L
  case integer2 = 0x4d  // M
  case null = 0x4e  // N
  case persistentText = 0x50  // P
  case persistent = 0x51  // Q
  case reduce = 0x52  // R
  case bytesText = 0x53  // S
  case bytes4OfPython2 = 0x54  // T
  case bytes1OfPython2 = 0x55  // U
  case unicodeText = 0x56  // V
  case unicode4 = 0x58  // X
  case append = 0x61  // a
  case build = 0x62  // b
  case global = 0x63  // c
  case dictionary = 0x64  // d
  case appends = 0x65  // e
  case getText = 0x67  // g
  case get1 = 0x68  // h
  case instance = 0x69  // i
  case get4 = 0x6a  // j
  case list = 0x6c  // l
  case object = 0x6f  // o
  case putText = 0x70  // p
  case put1 = 0x71  // q
  case put4 = 0x72  // r
  case setItem = 0x73  // s
  case tuple = 0x74  // t
  case setItems = 0x75  // u
  case emptyDictionary = 0x7d  // }
  case emptyList = 0x5d  // ]
  case emptyTuple = 0x29  // )
  case bytes4 = 0x42  // B
  case bytes1 = 0x43  // C
  case float8 = 0x47  // G
  case protocolVersion = 0x80
  case newObject = 0x81
  case extension1 = 0x82
  case extension2 = 0x83
  case extension4 = 0x84
  case tuple1 = 0x85
  case tuple2 = 0x86
  case tuple3 = 0x87
  case newTrue = 0x88
  case newFalse = 0x89
  case long1 = 0x8a
  case long4 = 0x8b
  case unicode1 = 0x8c
  case unicode8 = 0x8d
  case bytes8 = 0x8e
  case emptySet = 0x8f
  case addItems = 0x90
  case frozenSet = 0x91
  case newObjectWithKeywords = 0x92
  case stackGlobal = 0x93
  case memoize = 0x94
  case frame = 0x95
  case byteArray8 = 0x96
  case nextBuffer = 0x97
  case readOnlyBuffer = 0x98

  /// The name that Python's documentation and `pickletools.dis` give it.
  var name: String {
    switch self {
    case .mark: "MARK"
    case .stop: "STOP"
    case .pop: "POP"
    case .popMark: "POP_MARK"
    case .duplicate: "DUP"
    case .floatText: "FLOAT"
    case .integerText: "INT"
    case .integer4: "BININT"
    case .integer1: "BININT1"
    case .longText: "LONG"
    case .integer2: "BININT2"
    case .null: "NONE"
    case .persistentText: "PERSID"
    case .persistent: "BINPERSID"
    case .reduce: "REDUCE"
    case .bytesText: "STRING"
    case .bytes4OfPython2: "BINSTRING"
    case .bytes1OfPython2: "SHORT_BINSTRING"
    case .unicodeText: "UNICODE"
    case .unicode4: "BINUNICODE"
    case .append: "APPEND"
    case .build: "BUILD"
    case .global: "GLOBAL"
    case .dictionary: "DICT"
    case .appends: "APPENDS"
    case .getText: "GET"
    case .get1: "BINGET"
    case .instance: "INST"
    case .get4: "LONG_BINGET"
    case .list: "LIST"
    case .object: "OBJ"
    case .putText: "PUT"
    case .put1: "BINPUT"
    case .put4: "LONG_BINPUT"
    case .setItem: "SETITEM"
    case .tuple: "TUPLE"
    case .setItems: "SETITEMS"
    case .emptyDictionary: "EMPTY_DICT"
    case .emptyList: "EMPTY_LIST"
    case .emptyTuple: "EMPTY_TUPLE"
    case .bytes4: "BINBYTES"
    case .bytes1: "SHORT_BINBYTES"
    case .float8: "BINFLOAT"
    case .protocolVersion: "PROTO"
    case .newObject: "NEWOBJ"
    case .extension1: "EXT1"
    case .extension2: "EXT2"
    case .extension4: "EXT4"
    case .tuple1: "TUPLE1"
    case .tuple2: "TUPLE2"
    case .tuple3: "TUPLE3"
    case .newTrue: "NEWTRUE"
    case .newFalse: "NEWFALSE"
    case .long1: "LONG1"
    case .long4: "LONG4"
    case .unicode1: "SHORT_BINUNICODE"
    case .unicode8: "BINUNICODE8"
    case .bytes8: "BINBYTES8"
    case .emptySet: "EMPTY_SET"
    case .addItems: "ADDITEMS"
    case .frozenSet: "FROZENSET"
    case .newObjectWithKeywords: "NEWOBJ_EX"
    case .stackGlobal: "STACK_GLOBAL"
    case .memoize: "MEMOIZE"
    case .frame: "FRAME"
    case .byteArray8: "BYTEARRAY8"
    case .nextBuffer: "NEXT_BUFFER"
    case .readOnlyBuffer: "READONLY_BUFFER"
    }
  }
}
