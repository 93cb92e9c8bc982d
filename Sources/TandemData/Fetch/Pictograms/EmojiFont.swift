// The bitmap pictures inside a colour font (OpenType CBDT), found by shaping.

import CHarfBuzz
import TandemFiles

/// A font whose glyphs are PNG pictures.
final class EmojiFont {
  private let font: OpaquePointer

  /// Opens a font file. Throws `FetchError` when it is missing or has no PNG pictures.
  init(path: String) throws {
    guard let blob = hb_blob_create_from_file_or_fail(path) else {
      throw FetchError("cannot read the font \(path)")
    }
    let face = hb_face_create(blob, 0)
    hb_blob_destroy(blob)  // the face keeps its own reference, and the font the face's
    defer { hb_face_destroy(face) }
    guard hb_face_get_glyph_count(face) > 0, hb_ot_color_has_png(face) != 0,
      let font = hb_font_create(face)
    else {
      throw FetchError("\(path) is no font with PNG pictures (OpenType table CBDT)")
    }
    self.font = font
  }

  deinit { hb_font_destroy(font) }

  /// The PNG of an emoji sequence, or `nil` where the font does not draw it as one glyph.
  func png(of sequence: [Unicode.Scalar]) -> [UInt8]? {
    // The variation selector asks for colour, which this font always gives; not every font maps it.
    let plain = sequence.filter { $0.value != 0xFE0F }
    return singleGlyph(sequence).flatMap(png) ?? singleGlyph(plain).flatMap(png)
  }

  private func singleGlyph(_ sequence: [Unicode.Scalar]) -> hb_codepoint_t? {
    guard let buffer = hb_buffer_create() else { return nil }
    defer { hb_buffer_destroy(buffer) }
    let codes = sequence.map(\.value)
    hb_buffer_add_utf32(buffer, codes, Int32(codes.count), 0, Int32(codes.count))
    hb_buffer_guess_segment_properties(buffer)
    hb_buffer_set_flags(buffer, HB_BUFFER_FLAG_REMOVE_DEFAULT_IGNORABLES)
    hb_shape(font, buffer, nil, 0)
    var count: UInt32 = 0
    guard let glyphs = hb_buffer_get_glyph_infos(buffer, &count), count == 1,
      glyphs[0].codepoint != 0
    else { return nil }
    return glyphs[0].codepoint
  }

  private func png(_ glyph: hb_codepoint_t) -> [UInt8]? {
    guard let blob = hb_ot_color_glyph_reference_png(font, glyph) else { return nil }
    defer { hb_blob_destroy(blob) }
    var count: UInt32 = 0
    guard let data = hb_blob_get_data(blob, &count), count > 0 else { return nil }
    return Array(UnsafeRawBufferPointer(start: data, count: Int(count)))
  }
}
