// JPEG through libjpeg-turbo's classic interface.
//
// Decoding keeps the library's defaults (accurate integer DCT, smooth chroma upsampling), which
// are also those of common viewers and of Pillow: the pixels are the same bit for bit.

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "message.h"

// A file with thousands of scans decodes in minutes: no honest encoder writes more than a dozen.
enum { MAXIMUM_SCANS = 200 };

typedef struct {
  struct jpeg_error_mgr base;  // first: the library hands back a pointer to it
  jmp_buf escape;
  char *message;
  CImageStatus status;
  int hit_marker;  // coded data ended at a marker before its segment was complete
} ErrorManager;

typedef struct {
  struct jpeg_source_mgr base;
  int ran_out;  // the library asked for bytes past the end of the file
} SourceManager;

static void on_error(j_common_ptr common) {
  ErrorManager *errors = (ErrorManager *)common->err;
  char text[JMSG_LENGTH_MAX];
  (*common->err->format_message)(common, text);
  errors->status = common->err->msg_code == JERR_OUT_OF_MEMORY ? CImageStatusOutOfMemory
                                                               : CImageStatusInvalid;
  cimage_say(errors->message, "libjpeg: %s", text);
  longjmp(errors->escape, 1);
}

// Warnings are kept quiet (viewers show such pictures), but the one that tells of missing data
// is noted.
static void on_message(j_common_ptr common, int level) {
  if (level < 0) {
    common->err->num_warnings++;
    if (common->err->msg_code == JWRN_HIT_MARKER) ((ErrorManager *)common->err)->hit_marker = 1;
  }
}

static void stay_quiet(j_common_ptr common) { (void)common; }

static void prepare_errors(ErrorManager *errors, char *message) {
  jpeg_std_error(&errors->base);
  errors->base.error_exit = on_error;
  errors->base.emit_message = on_message;
  errors->base.output_message = stay_quiet;
  errors->message = message;
  errors->status = CImageStatusOK;
  errors->hit_marker = 0;
}

static void source_begin(j_decompress_ptr decoder) { (void)decoder; }

// The whole file is in memory, so a request for more means that it is cut short. An end marker is
// handed over so that the library can finish its work; the caller then judges what is missing.
static boolean source_fill(j_decompress_ptr decoder) {
  static const JOCTET end_of_image[2] = {0xFF, JPEG_EOI};
  ((SourceManager *)decoder->src)->ran_out = 1;
  decoder->src->next_input_byte = end_of_image;
  decoder->src->bytes_in_buffer = sizeof end_of_image;
  return TRUE;
}

static void source_skip(j_decompress_ptr decoder, long count) {
  if (count <= 0) return;
  if ((size_t)count > decoder->src->bytes_in_buffer) {
    source_fill(decoder);
  } else {
    decoder->src->next_input_byte += count;
    decoder->src->bytes_in_buffer -= (size_t)count;
  }
}

static void source_end(j_decompress_ptr decoder) { (void)decoder; }

static void on_progress(j_common_ptr common) {
  if (!common->is_decompressor) return;
  j_decompress_ptr decoder = (j_decompress_ptr)common;
  if (decoder->input_scan_number > MAXIMUM_SCANS) {
    ErrorManager *errors = (ErrorManager *)common->err;
    errors->status = CImageStatusInvalid;
    cimage_say(errors->message, "more than %d scans in one JPEG", MAXIMUM_SCANS);
    longjmp(errors->escape, 1);
  }
}

// `a * b / 255`, rounded to nearest.
static inline int scaled_product(int a, int b) {
  int sum = a * b + 128;
  return ((sum >> 8) + sum) >> 8;
}

// Four-ink JPEGs store ink upside down (255 = none), as Adobe's programs write them.
static void rgb_from_inverted_inks(const uint8_t *inks, size_t count, uint8_t *rgb) {
  for (size_t i = 0; i < count; i++) {
    int white = inks[4 * i + 3];
    for (int c = 0; c < 3; c++) {
      int value = white - scaled_product(255 - inks[4 * i + c], white);
      rgb[3 * i + c] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
  }
}

static void spread_gray(const uint8_t *gray, size_t count, uint8_t *rgb) {
  for (size_t i = 0; i < count; i++) {
    rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = gray[i];
  }
}

// Runs between setjmp and its return: any failure in the library leaves by longjmp.
static void decode_rows(struct jpeg_decompress_struct *decoder, uint8_t *rgb, uint8_t *line) {
  size_t width = decoder->output_width;
  while (decoder->output_scanline < decoder->output_height) {
    uint8_t *target = rgb + (size_t)decoder->output_scanline * width * 3;
    if (line == NULL) {
      // Several rows a call save calls; the library fills as many as it has.
      JSAMPROW rows[8];
      JDIMENSION left = decoder->output_height - decoder->output_scanline;
      JDIMENSION count = left < 8 ? left : 8;
      for (JDIMENSION i = 0; i < count; i++) rows[i] = target + (size_t)i * width * 3;
      if (jpeg_read_scanlines(decoder, rows, count) == 0) return;
    } else {
      JSAMPROW row = line;
      if (jpeg_read_scanlines(decoder, &row, 1) != 1) return;
      if (decoder->output_components == 4) {
        rgb_from_inverted_inks(line, width, target);
      } else {
        spread_gray(line, width, target);
      }
    }
  }
}

// What the functions below share with those that call setjmp. It lives in the caller of the latter
// and is reached through a pointer, so its values survive a longjmp; plain locals would not.
typedef struct {
  struct jpeg_decompress_struct decoder;
  ErrorManager errors;
  SourceManager source;
  struct jpeg_progress_mgr progress;
  uint8_t *line;  // one row before its conversion to RGB
} Decoding;

typedef struct {
  struct jpeg_compress_struct encoder;
  ErrorManager errors;
  unsigned char *memory;
  unsigned long length;
} Encoding;

static void refuse(ErrorManager *errors, CImageStatus status) {
  errors->status = status;
  longjmp(errors->escape, 1);
}

// Fills in errors.status when it leaves early.
static void decode_guarded(
    Decoding *state, int32_t denominator, int32_t width, int32_t height, uint8_t *rgb) {
  if (setjmp(state->errors.escape)) return;
  struct jpeg_decompress_struct *decoder = &state->decoder;
  char *message = state->errors.message;
  jpeg_create_decompress(decoder);
  decoder->src = &state->source.base;
  decoder->progress = &state->progress;
  jpeg_read_header(decoder, TRUE);
  switch (decoder->num_components) {
    case 1: decoder->out_color_space = JCS_GRAYSCALE; break;
    case 3: decoder->out_color_space = JCS_RGB; break;
    case 4: decoder->out_color_space = JCS_CMYK; break;
    default:
      cimage_say(message, "a JPEG with %d components; 1, 3 or 4 can be read",
                 decoder->num_components);
      refuse(&state->errors, CImageStatusInvalid);
  }
  decoder->scale_num = 1;
  decoder->scale_denom = (unsigned)denominator;
  jpeg_start_decompress(decoder);
  if (decoder->output_width != (JDIMENSION)width ||
      decoder->output_height != (JDIMENSION)height) {
    cimage_say(message, "the JPEG decodes to %u x %u, its header said %d x %d",
               decoder->output_width, decoder->output_height, width, height);
    refuse(&state->errors, CImageStatusInvalid);
  }
  if (decoder->output_components != 3) {
    state->line = malloc((size_t)decoder->output_width * (size_t)decoder->output_components);
    if (state->line == NULL) {
      cimage_say(message, "no memory for a row of %d pixels", width);
      refuse(&state->errors, CImageStatusOutOfMemory);
    }
  }
  int several_scans = jpeg_has_multiple_scans(decoder);
  decode_rows(decoder, rgb, state->line);
  // Only a missing end marker does no harm. Coded data that stops early does, and so does any
  // missing byte where later scans refine the picture.
  if (state->source.ran_out && (state->errors.hit_marker || several_scans)) {
    cimage_say(message, "the coded data stops before the picture is complete");
    refuse(&state->errors, CImageStatusTruncated);
  }
}

CImageStatus cimage_jpeg_decode(
    const uint8_t *bytes, size_t length, int32_t denominator, int32_t width, int32_t height,
    uint8_t *rgb, char *message) {
  Decoding state;
  memset(&state, 0, sizeof state);
  prepare_errors(&state.errors, message);
  state.decoder.err = &state.errors.base;
  state.source.base.init_source = source_begin;
  state.source.base.fill_input_buffer = source_fill;
  state.source.base.skip_input_data = source_skip;
  state.source.base.resync_to_restart = jpeg_resync_to_restart;
  state.source.base.term_source = source_end;
  state.source.base.next_input_byte = bytes;
  state.source.base.bytes_in_buffer = length;
  state.progress.progress_monitor = on_progress;
  decode_guarded(&state, denominator, width, height, rgb);
  jpeg_destroy_decompress(&state.decoder);
  free(state.line);
  // An error met after the bytes ran out is most likely the doing of the missing ones.
  if (state.errors.status == CImageStatusInvalid && state.source.ran_out) {
    return CImageStatusTruncated;
  }
  return state.errors.status;
}

static void encode_guarded(
    Encoding *state, const uint8_t *rgb, int32_t width, int32_t height, int32_t quality) {
  if (setjmp(state->errors.escape)) return;
  struct jpeg_compress_struct *encoder = &state->encoder;
  jpeg_create_compress(encoder);
  jpeg_mem_dest(encoder, &state->memory, &state->length);
  encoder->image_width = (JDIMENSION)width;
  encoder->image_height = (JDIMENSION)height;
  encoder->input_components = 3;
  encoder->in_color_space = JCS_RGB;
  jpeg_set_defaults(encoder);
  jpeg_set_quality(encoder, quality, TRUE);
  jpeg_start_compress(encoder, TRUE);
  while (encoder->next_scanline < encoder->image_height) {
    JSAMPROW row = (JSAMPROW)(rgb + (size_t)encoder->next_scanline * (size_t)width * 3);
    jpeg_write_scanlines(encoder, &row, 1);
  }
  jpeg_finish_compress(encoder);
}

CImageStatus cimage_jpeg_encode(
    const uint8_t *rgb, int32_t width, int32_t height, int32_t quality, uint8_t **result,
    size_t *result_length, char *message) {
  Encoding state;
  memset(&state, 0, sizeof state);
  prepare_errors(&state.errors, message);
  state.encoder.err = &state.errors.base;
  encode_guarded(&state, rgb, width, height, quality);
  jpeg_destroy_compress(&state.encoder);
  int failed = state.errors.status != CImageStatusOK;
  if (failed) free(state.memory);
  *result = failed ? NULL : state.memory;
  *result_length = failed ? 0 : state.length;
  return state.errors.status;
}

void cimage_free(void *memory) { free(memory); }
