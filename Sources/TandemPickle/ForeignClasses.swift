// Names in a pickle that this reader does not know: left alone where they stand for objects, and told
// from those by which a file would act on the machine that reads it.

extension PickleClass {
  /// Whether calling it would run a program, read or write files, or open connections. No checkpoint
  /// needs that: a file with such a name was made to do harm.
  public var actsOnTheMachine: Bool {
    let package = String(module.prefix { $0 != "." })
    if Self.actingModules.contains(package) { return true }
    return ["builtins", "__builtin__"].contains(module) && Self.actingFunctions.contains(name)
  }

  private static let actingModules: Set<String> = [
    "os", "posix", "nt", "subprocess", "commands", "popen2", "pty", "sys", "shutil", "socket",
    "runpy", "importlib", "imp", "ctypes", "cffi", "webbrowser", "urllib", "urllib2", "requests",
    "http", "httplib", "ftplib", "smtplib", "asyncio", "multiprocessing", "threading", "signal",
    "code", "codeop", "pdb", "bdb", "timeit", "cProfile", "profile", "pip", "venv", "pickle",
    "cPickle", "_pickle", "marshal", "operator", "tempfile", "glob", "fileinput", "linecache",
  ]

  private static let actingFunctions: Set<String> = [
    "eval", "exec", "execfile", "compile", "open", "file", "input", "raw_input", "__import__",
    "getattr", "setattr", "delattr", "globals", "locals", "vars", "breakpoint", "apply", "map",
    "filter", "reload",
  ]
}

extension TorchFile {
  /// Refuses a file that asks for something to be done.
  ///
  /// - Throws: `PickleError` that names the call.
  public func refuseCalls() throws(PickleError) {
    guard let call = foreignClasses.first(where: \.actsOnTheMachine) else { return }
    throw PickleError(
      file: path,
      reason: "asks for \(call) to be called, which no checkpoint needs: nothing was run, and the "
        + "file is refused")
  }
}

extension PickleHeap {
  /// Names of classes and functions that mean nothing to the reader, each once.
  var foreignClasses: [PickleClass] {
    let names = Set(globals.filter { $0.known == nil }.map(\.name))
    return names.sorted { $0.description < $1.description }
  }
}
