// WebP through libwebp's one-call decoders, which report errors by their results.

#include <stdlib.h>

#include <webp/decode.h>

#include "message.h"

static CImageStatus refuse(VP8StatusCode code, char *message) {
  switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      cimage_say(message, "the coded data stops before the picture is complete");
      return CImageStatusTruncated;
    case VP8_STATUS_OUT_OF_MEMORY:
      cimage_say(message, "libwebp: no memory");
      return CImageStatusOutOfMemory;
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      cimage_say(message, "libwebp: a feature that is not supported");
      return CImageStatusInvalid;
    default:
      cimage_say(message, "libwebp: the coded data is broken (status %d)", (int)code);
      return CImageStatusInvalid;
  }
}

CImageStatus cimage_webp_decode(
    const uint8_t *bytes, size_t length, int32_t width, int32_t height, uint8_t *rgb,
    char *message) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) {
    cimage_say(message, "libwebp: the library is older than its header");
    return CImageStatusInvalid;
  }
  VP8StatusCode code = WebPGetFeatures(bytes, length, &config.input);
  if (code != VP8_STATUS_OK) return refuse(code, message);
  if (config.input.has_animation) {
    cimage_say(message, "an animated WebP; save one frame as a still picture");
    return CImageStatusInvalid;
  }
  if (config.input.width != width || config.input.height != height) {
    cimage_say(message, "the WebP decodes to %d x %d, its header said %d x %d",
               config.input.width, config.input.height, width, height);
    return CImageStatusInvalid;
  }
  size_t count = (size_t)width * (size_t)height;
  int has_alpha = config.input.has_alpha;
  uint8_t *pixels = has_alpha ? malloc(count * 4) : rgb;
  if (pixels == NULL) {
    cimage_say(message, "no memory for the transparent pixels");
    return CImageStatusOutOfMemory;
  }
  int bytes_per_pixel = has_alpha ? 4 : 3;
  config.output.colorspace = has_alpha ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = pixels;
  config.output.u.RGBA.stride = width * bytes_per_pixel;
  config.output.u.RGBA.size = count * (size_t)bytes_per_pixel;
  code = WebPDecode(bytes, length, &config);
  WebPFreeDecBuffer(&config.output);
  if (has_alpha) {
    for (size_t i = 0; code == VP8_STATUS_OK && i < count; i++) {
      uint8_t alpha = pixels[4 * i + 3];
      rgb[3 * i] = cimage_over_white(pixels[4 * i], alpha);
      rgb[3 * i + 1] = cimage_over_white(pixels[4 * i + 1], alpha);
      rgb[3 * i + 2] = cimage_over_white(pixels[4 * i + 2], alpha);
    }
    free(pixels);
  }
  return code == VP8_STATUS_OK ? CImageStatusOK : refuse(code, message);
}
