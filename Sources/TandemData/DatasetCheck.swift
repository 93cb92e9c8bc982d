internal import TandemCore
internal import TandemImage

/// What reading a data set from end to end found.
public struct DatasetCheck: Sendable {
  /// A line a split: its counts.
  public var lines: [String] = []
  public var problems: [String] = []

  /// Reads every record and every picture's header; splits that share a picture are a problem.
  public static func run(
    _ name: String, root: String, progress: (Int, Int) -> Void
  ) throws -> DatasetCheck {
    var check = DatasetCheck()
    var owner: [String: Split] = [:]
    var opened: [(Split, any Dataset)] = []
    for split in Split.allCases {
      do {
        opened.append((split, try DatasetCatalog.open(name, root: root, split: split)))
      } catch let error as SettingsError {
        throw error
      } catch {
        check.lines.append("\(split.rawValue): \(error)")
      }
    }
    guard !opened.isEmpty else { throw DataError(check.lines.joined(separator: "\n")) }
    let total = opened.reduce(0) { $0 + $1.1.count }
    var done = 0
    for (split, dataset) in opened {
      var pictures: Set<String> = []
      var answers = 0
      for index in 0..<dataset.count {
        do {
          let record = try dataset.record(at: index)
          answers += record.answers.isEmpty ? 0 : 1
          for picture in record.pictures where pictures.insert(picture).inserted {
            _ = try Image.size(ofFile: picture)
            if let other = owner[picture], other != split {
              check.problems.append("\(picture) is in \(other.rawValue) and in \(split.rawValue)")
            }
            owner[picture] = split
          }
        } catch {
          check.problems.append("\(error)")
        }
        done += 1
        progress(done, total)
      }
      check.lines.append(
        "\(split.rawValue): \(dataset.count) records, \(pictures.count) pictures, "
          + "\(answers) with answers")
    }
    return check
  }
}
