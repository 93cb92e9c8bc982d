// LMDB databases: keys in order, values read where they are mapped.

import CLMDB
import Glibc
import TandemFiles

/// An open database, read only and without its lock file: no writer may change it meanwhile.
/// Not for use by two threads.
final class LMDBFile {
  let path: String
  /// Keys.
  let count: Int
  private var environment: OpaquePointer?
  private var transaction: OpaquePointer?
  private var cursor: OpaquePointer?
  private var database: MDB_dbi = 0

  /// Opens a folder with `data.mdb`, or such a file under any name.
  ///
  /// Throws `RegionError` where it is no database, or one cut short; `FileError`.
  init(path: String) throws {
    self.path = path
    let isFolder = kind(of: path) == .folder
    let file = isFolder ? path + "/data.mdb" : path
    let size = try FileDescriptor(opening: file, flags: O_RDONLY).status().st_size
    try Self.check(mdb_env_create(&environment), path, "open")
    // The map follows the file's size; LMDB refuses 0.
    try Self.check(mdb_env_set_mapsize(environment, max(Int(size), 1 << 20)), path, "open")
    let flags = MDB_RDONLY | MDB_NOLOCK | MDB_NORDAHEAD | MDB_NOTLS | (isFolder ? 0 : MDB_NOSUBDIR)
    let status = mdb_env_open(environment, path, UInt32(flags), 0o644)
    guard status == 0 else {
      mdb_env_close(environment)
      environment = nil
      throw Self.failure(status, path, "open")
    }
    var statistics = MDB_stat()
    var information = MDB_envinfo()
    try Self.check(mdb_env_stat(environment, &statistics), path, "examine")
    try Self.check(mdb_env_info(environment, &information), path, "examine")
    count = statistics.ms_entries
    let needed = (information.me_last_pgno + 1) * Int(statistics.ms_psize)
    guard Int(size) >= needed else {
      throw RegionError(
        .badFile, path: file,
        "expected at least \(needed) bytes, found \(size): the database was cut short; copy it again"
      )
    }
    try Self.check(
      mdb_txn_begin(environment, nil, UInt32(MDB_RDONLY), &transaction), path, "read")
    try Self.check(mdb_dbi_open(transaction, nil, 0, &database), path, "read")
    try Self.check(mdb_cursor_open(transaction, database, &cursor), path, "read")
  }

  deinit {
    if let cursor { mdb_cursor_close(cursor) }
    if let transaction { mdb_txn_abort(transaction) }
    if let environment { mdb_env_close(environment) }
  }

  /// Calls `body` with the next key and value, valid until it returns; nil at the end.
  func next<Result>(
    _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result? {
    var (key, value) = (MDB_val(), MDB_val())
    let status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
    guard status != MDB_NOTFOUND else { return nil }
    try Self.check(status, path, "read")
    return try body(
      UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size),
      UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size))
  }

  /// Starts again before the first key.
  func rewind() throws {
    if let cursor { mdb_cursor_close(cursor) }
    cursor = nil
    try Self.check(mdb_cursor_open(transaction, database, &cursor), path, "read")
  }

  /// Calls `body` with the value under `key`, valid until it returns; nil where there is none.
  func value<Result>(
    of key: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result? {
    var name = Array(key.utf8)
    var value = MDB_val()
    let status = name.withUnsafeMutableBytes { bytes in
      var key = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
      return mdb_get(transaction, database, &key, &value)
    }
    guard status != MDB_NOTFOUND else { return nil }
    try Self.check(status, path, "read")
    return try body(UnsafeRawBufferPointer(start: value.mv_data, count: value.mv_size))
  }

  static func check(_ status: Int32, _ path: String, _ operation: String) throws {
    if status != 0 { throw failure(status, path, operation) }
  }

  static func failure(_ status: Int32, _ path: String, _ operation: String) -> any Error {
    switch status {
    case MDB_INVALID:
      return RegionError(.wrongFormat, path: path, "not an LMDB database")
    case MDB_VERSION_MISMATCH:
      return RegionError(
        .futureVersion, path: path,
        "an LMDB database of another version than \(MDB_VERSION_MAJOR).\(MDB_VERSION_MINOR)")
    case MDB_CORRUPTED, MDB_PAGE_NOTFOUND:
      return RegionError(
        .badFile, path: path, "the LMDB database is damaged (\(text(status))); copy it again")
    case 1...:
      return FileError(operation: operation, path: path, code: status, reason: text(status))
    default:
      return RegionError(.badFile, path: path, "cannot \(operation) the database: \(text(status))")
    }
  }

  private static func text(_ status: Int32) -> String {
    let advice = status == ENOSPC ? "; free some space, then run the command again" : ""
    return (mdb_strerror(status).map { String(cString: $0) } ?? "error \(status)") + advice
  }
}

/// A database being written in a folder aside, which gets its name at the end. Gone without a trace
/// where it is not finished.
final class LMDBWriter {
  let path: String
  private let staging: String
  private var environment: OpaquePointer?
  private var transaction: OpaquePointer?
  private var database: MDB_dbi = 0
  private var uncommitted = 0

  /// Changed pages lie in memory until they are committed.
  private static let commitEvery = 32 << 20
  /// As the published scripts: address space only, the file grows with its content.
  private static let mapSize = 1 << 40

  /// Throws `RegionError` or `FileError`.
  init(path: String) throws {
    self.path = path
    staging = PartialFile.name(beside: path)
    guard mkdir(staging, 0o755) == 0 else { throw FileError.system("create directory", staging) }
    try LMDBFile.check(mdb_env_create(&environment), path, "make")
    try LMDBFile.check(mdb_env_set_mapsize(environment, Self.mapSize), path, "make")
    // Synchronised once, at the end: until then the folder has no name that anybody reads.
    let flags = UInt32(MDB_NOLOCK | MDB_NOSYNC | MDB_NORDAHEAD)
    try LMDBFile.check(mdb_env_open(environment, staging, flags, 0o644), path, "make")
    try begin()
    try LMDBFile.check(mdb_dbi_open(transaction, nil, 0, &database), path, "make")
  }

  deinit { discard() }

  /// Puts `value` under `key`; false where the key was there already.
  func put(_ key: String, _ value: UnsafeRawBufferPointer) throws -> Bool {
    try put(key, count: value.count) { $0.copyMemory(from: value) }
  }

  func put(_ key: String, _ value: [UInt8]) throws -> Bool {
    try value.withUnsafeBytes { try put(key, $0) }
  }

  /// Puts a value of `count` bytes that `fill` writes straight into the database's page.
  func put(
    _ key: String, count: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> Bool {
    var name = Array(key.utf8)
    guard transaction != nil else {
      throw RegionError(.badFile, path: path, "was finished already; nothing can be added")
    }
    guard (1...Int(mdb_env_get_maxkeysize(environment))).contains(name.count) else {
      throw RegionError(
        .badRecord, path: path, place: .key(key),
        "expected a key of 1 to \(mdb_env_get_maxkeysize(environment)) bytes, found \(name.count)")
    }
    var value = MDB_val(mv_size: count, mv_data: nil)
    let status = name.withUnsafeMutableBytes { bytes in
      var key = MDB_val(mv_size: bytes.count, mv_data: bytes.baseAddress)
      return mdb_put(
        transaction, database, &key, &value, UInt32(MDB_NOOVERWRITE | MDB_RESERVE))
    }
    guard status != MDB_KEYEXIST else { return false }
    try check(status)
    try fill(UnsafeMutableRawBufferPointer(start: value.mv_data, count: count))
    uncommitted += count
    if uncommitted >= Self.commitEvery {
      try commit()
      try begin()
    }
    return true
  }

  /// Calls `body` with every key so far, in order.
  func forEachKey(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    var cursor: OpaquePointer?
    try LMDBFile.check(mdb_cursor_open(transaction, database, &cursor), path, "read")
    defer { mdb_cursor_close(cursor) }
    var (key, value) = (MDB_val(), MDB_val())
    while true {
      let status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)
      if status == MDB_NOTFOUND { return }
      try LMDBFile.check(status, path, "read")
      try body(UnsafeRawBufferPointer(start: key.mv_data, count: key.mv_size))
    }
  }

  /// Forces the database to disk and gives it its name.
  func finish() throws {
    guard environment != nil else { return }
    try commit()
    try check(mdb_env_sync(environment, 1))
    mdb_env_close(environment)
    environment = nil
    do {
      try giveName(path, to: staging)
    } catch {
      discard()
      throw error
    }
  }

  func discard() {
    if let transaction { mdb_txn_abort(transaction) }
    transaction = nil
    if let environment { mdb_env_close(environment) }
    environment = nil
    unlink(staging + "/data.mdb")
    rmdir(staging)
  }

  private func begin() throws {
    try check(mdb_txn_begin(environment, nil, 0, &transaction))
    uncommitted = 0
  }

  private func commit() throws {
    let committing = transaction
    transaction = nil
    try check(mdb_txn_commit(committing))
  }

  /// LMDB calls a short write an input/output error, whatever the reason.
  private func check(_ status: Int32) throws {
    var volume = statvfs()
    if status == EIO, statvfs(folder(of: path), &volume) == 0,
      volume.f_bavail * UInt(volume.f_frsize) < Self.commitEvery * 2
    {
      errno = ENOSPC
      throw FileError.system("write", path)
    }
    try LMDBFile.check(status, path, "write")
  }
}
