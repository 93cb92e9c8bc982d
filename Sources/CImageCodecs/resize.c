// The inner loops of resizing and of cutting into patches.
//
// They are written with vectors of 16 lanes, which the compiler lowers to what the processor has
// (one AVX-512 register, two AVX2 ones, four of SSE or NEON). On x86-64 the same code is compiled
// three times and the best that runs is chosen at each call.
//
// Arithmetic: bytes times weights of 22 fraction bits, summed in 32-bit integers, half added,
// shifted down and clamped. That is the arithmetic of Pillow, so results are equal bit for bit.

#include <string.h>

#include "CImageCodecs.h"

typedef uint8_t Bytes __attribute__((ext_vector_type(16)));
typedef int32_t Sums __attribute__((ext_vector_type(16)));

enum { LANES = 16, ROWS = 4 };

static const int32_t half = 1 << (CIMAGE_WEIGHT_BITS - 1);

#define INLINE static inline __attribute__((always_inline))

INLINE void add_weighted(Sums *sums, const uint8_t *source, int32_t weight) {
  Bytes bytes;
  memcpy(&bytes, source, sizeof bytes);
  *sums += __builtin_convertvector(bytes, Sums) * weight;
}

// Vectors are handed over by address: by value they would depend on the processor's features.
INLINE void store_rounded(const Sums *sums, uint8_t *target, size_t count) {
  Sums shifted = *sums >> CIMAGE_WEIGHT_BITS;
  shifted = __builtin_elementwise_max(shifted, (Sums)0);
  shifted = __builtin_elementwise_min(shifted, (Sums)255);
  Bytes bytes = __builtin_convertvector(shifted, Bytes);
  memcpy(target, &bytes, count);
}

// Lays four rows side by side: 16 bytes a column, four (RGB and one to spare) for each row, so
// that one vector holds what one weight multiplies.
INLINE void pack_strip(const uint8_t *const rows[ROWS], int32_t width, uint8_t *strip) {
  for (int r = 0; r < ROWS; r++) {
    const uint8_t *row = rows[r];
    uint8_t *target = strip + 4 * r;
    for (int32_t x = 0; x + 1 < width; x++) {
      memcpy(target + (size_t)x * LANES, row + (size_t)x * 3, 4);
    }
    // Four bytes would reach past the last pixel.
    memcpy(target + (size_t)(width - 1) * LANES, row + (size_t)(width - 1) * 3, 3);
    target[(size_t)(width - 1) * LANES + 3] = 0;
  }
}

// `count` rows (at most four) of the strip, resized along the row. Each pixel is stored with a
// fourth byte that the next one overwrites.
INLINE void resize_strip(
    const uint8_t *strip, CImageAxis axis, int count, uint8_t *const targets[ROWS]) {
  for (int32_t x = 0; x < axis.length; x++) {
    const int32_t *weights = axis.weights + (size_t)x * (size_t)axis.taps;
    const uint8_t *source = strip + (size_t)axis.starts[x] * LANES;
    Sums sums = (Sums)half;
    for (int32_t k = 0; k < axis.counts[x]; k++) {
      add_weighted(&sums, source + (size_t)k * LANES, weights[k]);
    }
    uint8_t stored[LANES];
    store_rounded(&sums, stored, LANES);
    for (int r = 0; r < count; r++) {
      memcpy(targets[r] + (size_t)x * 3, stored + 4 * r, 4);
    }
  }
}

// Brings the next rows of the input (at most four, from `row`) to the new width and puts them in
// their places in the ring.
INLINE void fill_ring(
    const uint8_t *input, int32_t input_width, CImageAxis axis, int32_t row, int count,
    int32_t slot, int32_t ring_rows, uint8_t *ring, size_t stride, uint8_t *strip) {
  const uint8_t *rows[ROWS];
  uint8_t *targets[ROWS];
  for (int r = 0; r < ROWS; r++) {
    int used = r < count ? r : count - 1;
    rows[r] = input + (size_t)(row + used) * (size_t)input_width * 3;
    targets[r] = ring + (size_t)((slot + used) % ring_rows) * stride;
  }
  pack_strip(rows, input_width, strip);
  // The usual count is a constant, so that its loop is unrolled.
  if (count == ROWS) {
    resize_strip(strip, axis, ROWS, targets);
  } else {
    resize_strip(strip, axis, count, targets);
  }
}

// One row of the result from `count` rows of the ring, the first of them in place `slot`.
INLINE void join_rows(
    const uint8_t *ring, size_t stride, int32_t ring_rows, int32_t slot, const int32_t *weights,
    int32_t count, size_t row_bytes, uint8_t *row) {
  int32_t before_wrap = ring_rows - slot < count ? ring_rows - slot : count;
  const uint8_t *source = ring + (size_t)slot * stride;
  for (size_t x = 0; x < row_bytes; x += LANES) {
    Sums sums = (Sums)half;
    int32_t k = 0;
    for (; k < before_wrap; k++) {
      add_weighted(&sums, source + (size_t)k * stride + x, weights[k]);
    }
    for (; k < count; k++) {
      add_weighted(&sums, ring + (size_t)(k - before_wrap) * stride + x, weights[k]);
    }
    size_t left = row_bytes - x;
    if (left >= LANES) {
      store_rounded(&sums, row + x, LANES);
    } else {
      store_rounded(&sums, row + x, left);
    }
  }
}

INLINE void resize_body(
    const uint8_t *input, int32_t input_width, CImageAxis horizontal, CImageAxis vertical,
    int32_t ring_rows, uint8_t *ring, size_t stride, uint8_t *strip, uint8_t *output) {
  size_t row_bytes = (size_t)horizontal.length * 3;
  int32_t first = vertical.starts[0];
  int32_t end = vertical.starts[vertical.length - 1] + vertical.counts[vertical.length - 1];
  int32_t ready = first;  // rows below this one have been through the ring
  for (int32_t y = 0; y < vertical.length; y++) {
    while (ready < vertical.starts[y] + vertical.counts[y]) {
      int count = end - ready < ROWS ? end - ready : ROWS;
      fill_ring(input, input_width, horizontal, ready, count, (ready - first) % ring_rows,
                ring_rows, ring, stride, strip);
      ready += count;
    }
    join_rows(ring, stride, ring_rows, (vertical.starts[y] - first) % ring_rows,
              vertical.weights + (size_t)y * (size_t)vertical.taps, vertical.counts[y], row_bytes,
              output + (size_t)y * row_bytes);
  }
}

#define RESIZE_ARGUMENTS                                                                        \
  const uint8_t *input, int32_t input_width, CImageAxis horizontal, CImageAxis vertical,       \
      int32_t ring_rows, uint8_t *ring, size_t stride, uint8_t *strip, uint8_t *output
#define RESIZE_VALUES                                                                           \
  input, input_width, horizontal, vertical, ring_rows, ring, stride, strip, output

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bw,avx512vl,avx2"))) static void resize_avx512(
    RESIZE_ARGUMENTS) {
  resize_body(RESIZE_VALUES);
}
__attribute__((target("avx2"))) static void resize_avx2(RESIZE_ARGUMENTS) {
  resize_body(RESIZE_VALUES);
}
#endif

static void resize_plain(RESIZE_ARGUMENTS) { resize_body(RESIZE_VALUES); }

void cimage_resize(RESIZE_ARGUMENTS) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    resize_avx512(RESIZE_VALUES);
    return;
  }
  if (__builtin_cpu_supports("avx2")) {
    resize_avx2(RESIZE_VALUES);
    return;
  }
#endif
  resize_plain(RESIZE_VALUES);
}

void cimage_patches(
    const uint8_t *rgb, int32_t width, int32_t height, int32_t side, const float *table,
    float *output) {
  size_t plane = (size_t)side * (size_t)side;
  const float *red = table, *green = table + 256, *blue = table + 512;
  for (int32_t top = 0; top < height; top += side) {
    for (int32_t left = 0; left < width; left += side) {
      for (int32_t y = 0; y < side; y++) {
        const uint8_t *source = rgb + ((size_t)(top + y) * (size_t)width + (size_t)left) * 3;
        float *target = output + (size_t)y * (size_t)side;
        for (int32_t x = 0; x < side; x++) {
          target[x] = red[source[3 * x]];
          target[plane + (size_t)x] = green[source[3 * x + 1]];
          target[2 * plane + (size_t)x] = blue[source[3 * x + 2]];
        }
      }
      output += 3 * plane;
    }
  }
}
