// PNG through libpng's row interface. The simplified interface of libpng applies gamma and
// refuses less cleanly; here every transformation is named.

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "message.h"

typedef struct {
  const uint8_t *bytes;
  size_t length;
  size_t position;
  int ran_out;
} Reader;

typedef struct {
  uint8_t *bytes;
  size_t length;
  size_t capacity;
} Writer;

static void on_error(png_structp png, png_const_charp text) {
  char *message = png_get_error_ptr(png);
  if (message[0] == '\0') cimage_say(message, "libpng: %s", text);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void read_bytes(png_structp png, png_bytep target, size_t count) {
  Reader *reader = png_get_io_ptr(png);
  if (count > reader->length - reader->position) {
    reader->ran_out = 1;
    png_error(png, "the data stops before the picture is complete");
  }
  memcpy(target, reader->bytes + reader->position, count);
  reader->position += count;
}

static void lay_over_white(const uint8_t *rgba, size_t count, uint8_t *rgb) {
  for (size_t i = 0; i < count; i++) {
    uint8_t alpha = rgba[4 * i + 3];
    rgb[3 * i] = cimage_over_white(rgba[4 * i], alpha);
    rgb[3 * i + 1] = cimage_over_white(rgba[4 * i + 1], alpha);
    rgb[3 * i + 2] = cimage_over_white(rgba[4 * i + 2], alpha);
  }
}

// Asks for 8-bit RGB, or RGBA where the file holds transparency. A 16-bit sample keeps its high
// byte. Gamma and colour profiles are left alone.
static int ask_for_rgb(png_structp png, png_infop info) {
  int color = png_get_color_type(png, info);
  int has_transparency = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  if (has_transparency) png_set_tRNS_to_alpha(png);
  png_set_strip_16(png);
  if (color == PNG_COLOR_TYPE_GRAY || color == PNG_COLOR_TYPE_GRAY_ALPHA) {
    png_set_gray_to_rgb(png);
  }
  return has_transparency || (color & PNG_COLOR_MASK_ALPHA) != 0;
}

// Runs between setjmp and its return: any failure in the library leaves by longjmp. With `rgba`
// the rows pass through it: one row, or the whole picture when the file is interlaced.
static void read_rows(
    png_structp png, size_t width, size_t height, int passes, uint8_t *rgb, uint8_t *rgba) {
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < height; y++) {
      uint8_t *row = rgb + y * width * 3;
      if (rgba != NULL) row = passes > 1 ? rgba + y * width * 4 : rgba;
      png_read_row(png, row, NULL);
      if (rgba != NULL && pass == passes - 1) lay_over_white(row, width, rgb + y * width * 3);
    }
  }
}

// What the functions below share with those that call setjmp. It lives in the caller of the latter
// and is reached through a pointer, so its values survive a longjmp; plain locals would not.
typedef struct {
  png_structp png;
  png_infop info;
  Reader reader;
  uint8_t *rgba;  // rows before they are laid over white
} Decoding;

typedef struct {
  png_structp png;
  png_infop info;
  Writer writer;
} Encoding;

static CImageStatus decode_guarded(
    Decoding *state, int32_t width, int32_t height, uint8_t *rgb) {
  // Chunks that say nothing about pixels are skipped unread: text, profiles and the like can be
  // made to unpack to a great size.
  static const png_byte skipped[] =
      "cHRM\0gAMA\0iCCP\0sBIT\0sRGB\0bKGD\0hIST\0pHYs\0sPLT\0tIME\0iTXt\0tEXt\0zTXt\0eXIf\0"
      "oFFs\0pCAL\0sCAL";
  if (setjmp(png_jmpbuf(state->png))) {
    return state->reader.ran_out ? CImageStatusTruncated : CImageStatusInvalid;
  }
  png_structp png = state->png;
  png_infop info = state->info;
  png_set_read_fn(png, &state->reader, read_bytes);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped, (int)(sizeof skipped / 5));
  png_read_info(png, info);
  if (png_get_image_width(png, info) != (png_uint_32)width ||
      png_get_image_height(png, info) != (png_uint_32)height) {
    png_error(png, "the size in the header changed while reading");
  }
  int has_alpha = ask_for_rgb(png, info);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  size_t columns = (size_t)width, rows = (size_t)height;
  if (png_get_rowbytes(png, info) != columns * (has_alpha ? 4 : 3)) {
    png_error(png, "an unexpected pixel layout");
  }
  if (has_alpha) {
    state->rgba = malloc(columns * 4 * (passes > 1 ? rows : 1));
    if (state->rgba == NULL) png_error(png, "no memory for the transparent pixels");
  }
  read_rows(png, columns, rows, passes, rgb, state->rgba);
  // The end holds the check sum of the last rows.
  png_read_end(png, NULL);
  return CImageStatusOK;
}

CImageStatus cimage_png_decode(
    const uint8_t *bytes, size_t length, int32_t width, int32_t height, uint8_t *rgb,
    char *message) {
  Decoding state = {NULL, NULL, {bytes, length, 0, 0}, NULL};
  CImageStatus status = CImageStatusOutOfMemory;
  message[0] = '\0';
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, on_error, on_warning);
  if (state.png != NULL) state.info = png_create_info_struct(state.png);
  if (state.info != NULL) {
    status = decode_guarded(&state, width, height, rgb);
  } else if (message[0] == '\0') {
    cimage_say(message, "no memory for the PNG reader");
  }
  png_destroy_read_struct(&state.png, &state.info, NULL);
  free(state.rgba);
  return status;
}

static void write_bytes(png_structp png, png_bytep source, size_t count) {
  Writer *writer = png_get_io_ptr(png);
  if (count > writer->capacity - writer->length) {
    size_t capacity = writer->capacity * 2 + count;
    uint8_t *grown = realloc(writer->bytes, capacity);
    if (grown == NULL) png_error(png, "no memory for the result");
    writer->bytes = grown;
    writer->capacity = capacity;
  }
  memcpy(writer->bytes + writer->length, source, count);
  writer->length += count;
}

static void flush_bytes(png_structp png) { (void)png; }

static CImageStatus encode_guarded(
    Encoding *state, const uint8_t *rgb, int32_t width, int32_t height) {
  if (setjmp(png_jmpbuf(state->png))) return CImageStatusInvalid;
  png_structp png = state->png;
  png_set_write_fn(png, &state->writer, write_bytes, flush_bytes);
  png_set_IHDR(png, state->info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB,
               PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, state->info);
  for (size_t y = 0; y < (size_t)height; y++) {
    png_write_row(png, rgb + y * (size_t)width * 3);
  }
  png_write_end(png, NULL);
  return CImageStatusOK;
}

CImageStatus cimage_png_encode(
    const uint8_t *rgb, int32_t width, int32_t height, uint8_t **result, size_t *result_length,
    char *message) {
  Encoding state = {NULL, NULL, {NULL, 0, 0}};
  CImageStatus status = CImageStatusOutOfMemory;
  message[0] = '\0';
  state.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, message, on_error, on_warning);
  if (state.png != NULL) state.info = png_create_info_struct(state.png);
  if (state.info != NULL) {
    status = encode_guarded(&state, rgb, width, height);
  } else if (message[0] == '\0') {
    cimage_say(message, "no memory for the PNG writer");
  }
  png_destroy_write_struct(&state.png, &state.info);
  int failed = status != CImageStatusOK;
  if (failed) free(state.writer.bytes);
  *result = failed ? NULL : state.writer.bytes;
  *result_length = failed ? 0 : state.writer.length;
  return status;
}
