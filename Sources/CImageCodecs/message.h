// What the codec files share: writing a message.
#pragma once

#include <stdarg.h>
#include <stdio.h>

#include "CImageCodecs.h"

__attribute__((format(printf, 2, 3)))
static inline void cimage_say(char *message, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, CIMAGE_MESSAGE_SIZE, format, arguments);
  va_end(arguments);
}

// `value * alpha + 255 * (255 - alpha)` over 255, rounded to nearest: a byte laid over white.
static inline uint8_t cimage_over_white(uint8_t value, uint8_t alpha) {
  unsigned sum = (unsigned)value * alpha + 255u * (255u - alpha) + 128u;
  return (uint8_t)((sum + (sum >> 8)) >> 8);
}
