#include "CImageCodecs.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const uint8_t *bytes;
  size_t length;
  size_t position;
} Reader;

// Reached through a pointer, so that its values survive a longjmp.
typedef struct {
  png_structp png;
  png_infop info;
  Reader reader;
  uint8_t *rgba;
  int32_t width;
  int32_t height;
} Decoding;

static void on_error(png_structp png, png_const_charp text) {
  snprintf(png_get_error_ptr(png), CIMAGE_MESSAGE_SIZE, "%s", text);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static void read_bytes(png_structp png, png_bytep target, size_t count) {
  Reader *reader = png_get_io_ptr(png);
  if (count > reader->length - reader->position) png_error(png, "the file ends too early");
  memcpy(target, reader->bytes + reader->position, count);
  reader->position += count;
}

static void ask_for_rgba(png_structp png, png_infop info) {
  png_byte kind = png_get_color_type(png, info);
  int has_transparency = png_get_valid(png, info, PNG_INFO_tRNS) != 0;
  if (png_get_bit_depth(png, info) == 16) png_set_strip_16(png);
  if (kind == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (kind == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, info) < 8) {
    png_set_expand_gray_1_2_4_to_8(png);
  }
  if (has_transparency) png_set_tRNS_to_alpha(png);
  if (kind == PNG_COLOR_TYPE_GRAY || kind == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_gray_to_rgb(png);
  if ((kind & PNG_COLOR_MASK_ALPHA) == 0 && !has_transparency) {
    png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
  }
}

static int decode_guarded(Decoding *state, int64_t maximum_pixels) {
  if (setjmp(png_jmpbuf(state->png))) return 1;
  png_structp png = state->png;
  png_infop info = state->info;
  png_set_read_fn(png, &state->reader, read_bytes);
  png_read_info(png, info);
  size_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  if ((int64_t)(width * height) > maximum_pixels || width > INT32_MAX || height > INT32_MAX) {
    png_error(png, "more pixels than allowed");
  }
  ask_for_rgba(png, info);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, info);
  if (png_get_rowbytes(png, info) != width * 4) png_error(png, "an unexpected pixel layout");
  state->rgba = malloc(width * height * 4);
  if (state->rgba == NULL) png_error(png, "no memory for the pixels");
  for (int pass = 0; pass < passes; pass++) {
    for (size_t y = 0; y < height; y++) {
      png_read_row(png, state->rgba + y * width * 4, NULL);
    }
  }
  png_read_end(png, NULL);
  state->width = (int32_t)width;
  state->height = (int32_t)height;
  return 0;
}

int32_t cimage_alpha_png_decode(
    const uint8_t *bytes, size_t length, int64_t maximum_pixels, uint8_t **rgba, int32_t *width,
    int32_t *height, char *message) {
  Decoding state = {NULL, NULL, {bytes, length, 0}, NULL, 0, 0};
  int failed = 1;
  snprintf(message, CIMAGE_MESSAGE_SIZE, "no memory for the PNG reader");
  state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, message, on_error, on_warning);
  if (state.png != NULL) state.info = png_create_info_struct(state.png);
  if (state.info != NULL) failed = decode_guarded(&state, maximum_pixels);
  png_destroy_read_struct(&state.png, &state.info, NULL);
  if (failed) {
    free(state.rgba);
    state.rgba = NULL;
  }
  *rgba = state.rgba;
  *width = state.width;
  *height = state.height;
  return failed;
}

