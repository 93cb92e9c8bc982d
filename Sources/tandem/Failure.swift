import ArgumentParser
import Foundation
import TandemCore
import TandemData
import TandemFiles
import TandemImage
import TandemNN
import TandemPickle
import TandemRegions
import TandemScenes
import TandemText
import TandemTorch
import TandemTrain
import TandemVision

/// How the command ends when something throws: a line on standard error and a code that scripts
/// can tell apart.
enum Failure {
  enum Code: Int32 {
    case workFailed = 1
    case usage = 64
    case badData = 65
    case inputOutput = 74
  }

  static func exit(with error: any Error) -> Never {
    // ArgumentParser's own errors, help and completions keep its ways of printing.
    guard let code = code(of: error) else { Tandem.exit(withError: error) }
    FileHandle.standardError.write(Data("error: \(error)\n".utf8))
    Foundation.exit(code.rawValue)
  }

  private static func code(of error: any Error) -> Code? {
    switch error {
    case is SettingsError: .usage
    case is DataError, is ImageError, is TextError, is SafeTensorsError, is ParameterError: .badData
    case is PickleError, is SceneFormatError, is DetectionError, is VisionError: .badData
    case let error as RegionError: error.kind == .locked ? .workFailed : .badData
    case is FileError: .inputOutput
    case is RunError, is TorchError, is FetchError, is SceneError, is SceneTextError: .workFailed
    case let error as NSError where error.domain == NSCocoaErrorDomain: .inputOutput
    default: nil
    }
  }
}
