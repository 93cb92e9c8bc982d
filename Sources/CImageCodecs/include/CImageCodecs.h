// The edge between Swift and the picture libraries (libjpeg-turbo, libpng, libwebp).
//
// Every function here returns a status and, on failure, writes a message that ends in NUL. The
// libraries report errors with longjmp; setjmp and longjmp both stay inside one C function, so
// nothing ever unwinds through Swift. Pixels are RGB, three bytes each, rows from the top, no gaps.
#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

#ifdef __cplusplus
extern "C" {
#endif

typedef enum __attribute__((enum_extensibility(closed))) {
  CImageStatusOK = 0,
  // The bytes break the format, or use a part of it that is not supported.
  CImageStatusInvalid = 1,
  // The bytes end before the picture does.
  CImageStatusTruncated = 2,
  CImageStatusOutOfMemory = 3,
} CImageStatus;

// Room for a message that a failing function fills.
enum { CIMAGE_MESSAGE_SIZE = 256 };

// Decodes a JPEG into `rgb`, which has room for `width` x `height` pixels: the sides of the file
// divided by `denominator` (1, 2, 4 or 8) and rounded up. The message has CIMAGE_MESSAGE_SIZE bytes.
CImageStatus cimage_jpeg_decode(
    const uint8_t *bytes, size_t length, int32_t denominator, int32_t width, int32_t height,
    uint8_t *rgb, char *message);

// Decodes a PNG of `width` x `height` into `rgb`, with transparency laid over white.
CImageStatus cimage_png_decode(
    const uint8_t *bytes, size_t length, int32_t width, int32_t height, uint8_t *rgb,
    char *message);

// Decodes a PNG into red, green, blue and alpha of 8 bits, not premultiplied. Greys, palettes and
// transparent colours become RGBA; a 16-bit sample keeps its high byte; gamma and profiles are not
// applied. On success, 0, `*rgba` is owned by the caller, who gives it to cimage_free. A picture of
// more than `maximum_pixels` is refused before its rows are read.
int32_t cimage_alpha_png_decode(
    const uint8_t *bytes, size_t length, int64_t maximum_pixels,
    uint8_t *_Nullable *_Nonnull rgba, int32_t *width, int32_t *height, char *message);

// Decodes a still WebP of `width` x `height` into `rgb`, with transparency laid over white.
CImageStatus cimage_webp_decode(
    const uint8_t *bytes, size_t length, int32_t width, int32_t height, uint8_t *rgb,
    char *message);

// Encodes; on success `*result` is owned by the caller, who gives it to cimage_free.
CImageStatus cimage_jpeg_encode(
    const uint8_t *rgb, int32_t width, int32_t height, int32_t quality,
    uint8_t *_Nullable *_Nonnull result, size_t *result_length, char *message);
CImageStatus cimage_png_encode(
    const uint8_t *rgb, int32_t width, int32_t height, uint8_t *_Nullable *_Nonnull result,
    size_t *result_length, char *message);
void cimage_free(void *_Nullable memory);

// The weights of one axis of a resize: output `i` is the sum over `k < counts[i]` of
// `weights[i * taps + k]` times input `starts[i] + k`. Weights are fixed point with
// CIMAGE_WEIGHT_BITS bits after the point and sum to about one.
enum { CIMAGE_WEIGHT_BITS = 22 };
typedef struct {
  const int32_t *starts;
  const int32_t *counts;
  const int32_t *weights;
  int32_t taps;
  int32_t length;
} CImageAxis;

// Resizes `input` to `horizontal.length` x `vertical.length`: first along rows, rounded to bytes,
// then along columns. `ring` keeps the rows in between that are still needed: `ring_rows` rows, at
// least three more than the greatest count of `vertical`, of `stride` bytes, at least
// 3 * horizontal.length + 16 (vectors reach past the end of a row). `strip` has 16 * input_width
// bytes.
void cimage_resize(
    const uint8_t *input, int32_t input_width, CImageAxis horizontal, CImageAxis vertical,
    int32_t ring_rows, uint8_t *ring, size_t stride, uint8_t *strip, uint8_t *output);

// Writes square patches of side `side` as rows of 3 * side * side floats (channel, y, x), grid
// cells in row order. `table` holds 3 x 256 floats: the value of each byte in each channel.
// Both sides of the picture are multiples of `side`.
void cimage_patches(
    const uint8_t *rgb, int32_t width, int32_t height, int32_t side, const float *table,
    float *output);

#ifdef __cplusplus
}
#endif

#pragma clang assume_nonnull end
