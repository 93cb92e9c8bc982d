internal import Foundation
public import TandemImage

/// The sizes of pictures by the identifiers that features are stored under, for formats that keep
/// boxes as fractions of the picture.
public struct PictureSizes: Sendable {
  private let folder: String

  public init(folder: String) { self.folder = folder }

  /// The size of the picture with this name and any of the endings; nil where there is none.
  public func size(of id: String) throws -> PixelSize? {
    for ending in PictureList.endings.sorted() {
      let path = "\(folder)/\(id).\(ending)"
      if FileManager.default.fileExists(atPath: path) { return try Image.size(ofFile: path) }
    }
    return nil
  }
}
