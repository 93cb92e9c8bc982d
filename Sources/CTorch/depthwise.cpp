// The loops of depthwise.hpp: channels side by side in vector code, four neighbouring results at a
// time so that a kernel's weight is read once for four products.
#include "depthwise.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <limits>

#include "edge.hpp"
#include "parallel.hpp"
#include "rows.hpp"

#pragma clang fp reassociate(on) contract(fast)

namespace edge {
namespace {

/// Channels of one vector, and results that share a weight.
constexpr int64_t kLanes = 16;
constexpr int64_t kTile = 4;

/// Which taps of a kernel reach into a line of `count` pixels from `start` on: begin..<end.
struct Taps {
  int64_t begin, end;
  Taps(int64_t start, int64_t size, int64_t count)
      : begin(std::max<int64_t>(0, -start)), end(std::min(size, count - start)) {}
};

/// `tile` neighbouring results of one channel block. `in` is the first tap's pixel of the first
/// result; results lie `out_step` apart and read `in_step` apart; taps lie `tap_step` apart.
template <int64_t tile>
__attribute__((always_inline)) inline void block(const float *in, int64_t row_step,
                                                 int64_t tap_step, int64_t in_step,
                                                 const float *kernel, int64_t kernel_row,
                                                 int64_t kernel_step, int64_t rows, int64_t taps,
                                                 const float *bias, Bounds bounds, float *out,
                                                 int64_t out_step, int64_t lanes) {
  float sums[tile][kLanes];
  for (int64_t i = 0; i < tile; i++)
    for (int64_t c = 0; c < lanes; c++) sums[i][c] = bias ? bias[c] : 0.0f;
  for (int64_t y = 0; y < rows; y++)
    for (int64_t t = 0; t < taps; t++) {
      const float *pixel = in + y * row_step + t * tap_step;
      const float *weight = kernel + y * kernel_row + t * kernel_step;
      for (int64_t i = 0; i < tile; i++)
        for (int64_t c = 0; c < lanes; c++) sums[i][c] += weight[c] * pixel[i * in_step + c];
    }
  for (int64_t i = 0; i < tile; i++)
    for (int64_t c = 0; c < lanes; c++) {
      const float low = sums[i][c] < bounds.low ? bounds.low : sums[i][c];
      out[i * out_step + c] = low > bounds.high ? bounds.high : low;
    }
}

/// The same for all channels.
template <int64_t tile>
__attribute__((always_inline)) inline void pixels(const float *in, int64_t row_step,
                                                  int64_t tap_step, int64_t in_step,
                                                  const float *kernel, int64_t kernel_row,
                                                  int64_t kernel_step, int64_t rows, int64_t taps,
                                                  const float *bias, Bounds bounds, float *out,
                                                  int64_t out_step, int64_t channels) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes)
    block<tile>(in + c, row_step, tap_step, in_step, kernel + c, kernel_row, kernel_step, rows,
                taps, bias ? bias + c : nullptr, bounds, out + c, out_step, kLanes);
  if (c < channels)
    block<tile>(in + c, row_step, tap_step, in_step, kernel + c, kernel_row, kernel_step, rows,
                taps, bias ? bias + c : nullptr, bounds, out + c, out_step, channels - c);
}

/// Results of one line that read the same taps: `count` of them.
struct Stretch {
  const float *in;
  int64_t row_step, tap_step, in_step;
  const float *kernel;
  int64_t kernel_row, kernel_step, rows, taps;
  float *out;
  int64_t out_step, count;
};

EDGE_VECTOR void run(const Stretch &s, const float *bias, Bounds bounds, int64_t channels) {
  int64_t i = 0;
  for (; i + kTile <= s.count; i += kTile)
    pixels<kTile>(s.in + i * s.in_step, s.row_step, s.tap_step, s.in_step, s.kernel, s.kernel_row,
                  s.kernel_step, s.rows, s.taps, bias, bounds, s.out + i * s.out_step, s.out_step,
                  channels);
  for (; i < s.count; i++)
    pixels<1>(s.in + i * s.in_step, s.row_step, s.tap_step, s.in_step, s.kernel, s.kernel_row,
              s.kernel_step, s.rows, s.taps, bias, bounds, s.out + i * s.out_step, s.out_step,
              channels);
}

/// Adds to a kernel's gradient [size, size, lanes] what one line of results gives.
template <int64_t size>
__attribute__((always_inline)) inline void kernel_block(const float *gradient, const float *in,
                                                        int64_t channels, int64_t row_step,
                                                        int64_t stride, int64_t count, float *out) {
  float sums[size][size][kLanes];
  for (int64_t y = 0; y < size; y++)
    for (int64_t t = 0; t < size; t++)
      for (int64_t c = 0; c < kLanes; c++) sums[y][t][c] = out[(y * size + t) * channels + c];
  for (int64_t i = 0; i < count; i++) {
    float given[kLanes];
    for (int64_t c = 0; c < kLanes; c++) given[c] = gradient[i * channels + c];
    const float *pixel = in + i * stride * channels;
    for (int64_t y = 0; y < size; y++)
      for (int64_t t = 0; t < size; t++)
        for (int64_t c = 0; c < kLanes; c++)
          sums[y][t][c] += given[c] * pixel[y * row_step + t * channels + c];
  }
  for (int64_t y = 0; y < size; y++)
    for (int64_t t = 0; t < size; t++)
      for (int64_t c = 0; c < kLanes; c++) out[(y * size + t) * channels + c] = sums[y][t][c];
}

EDGE_VECTOR void kernel_line_3(const float *gradient, const float *in, int64_t channels,
                               int64_t row_step, int64_t stride, int64_t count, float *out) {
  for (int64_t c = 0; c + kLanes <= channels; c += kLanes)
    kernel_block<3>(gradient + c, in + c, channels, row_step, stride, count, out + c);
}

EDGE_VECTOR void kernel_line_5(const float *gradient, const float *in, int64_t channels,
                               int64_t row_step, int64_t stride, int64_t count, float *out) {
  for (int64_t c = 0; c + kLanes <= channels; c += kLanes)
    kernel_block<5>(gradient + c, in + c, channels, row_step, stride, count, out + c);
}

/// out[c] += gradient[i][c] · in[i][c] for one tap and some channels.
EDGE_VECTOR void kernel_tap(const float *gradient, const float *in, int64_t channels,
                            int64_t in_step, int64_t count, int64_t used, float *__restrict out) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t c = 0; c < used; c++)
      out[c] += gradient[i * channels + c] * in[i * in_step + c];
}

/// The results of a line for which a tap, or all taps up to it, lie inside: first..<last.
struct Inside {
  int64_t first, last;
  Inside(int64_t left, int64_t tap_first, int64_t tap_last, int64_t stride, int64_t width,
         int64_t count) {
    first = std::min(count, std::max<int64_t>(0, (left - tap_first + stride - 1) / stride));
    const int64_t room = width - 1 - tap_last + left;
    last = room < 0 ? 0 : std::min(count, room / stride + 1);
    last = std::max(first, last);
  }
};

/// Adds what the line `y` of results of one picture gives to the kernel's gradient.
void kernel_line(const float *gradient, const float *picture, const DepthwiseShape &s, int64_t y,
                 float *out) {
  const int64_t row_step = s.width * s.channels, start = y * s.stride - s.top;
  const Taps rows(start, s.size, s.height);
  const bool whole = rows.begin == 0 && rows.end == s.size && (s.size == 3 || s.size == 5);
  const Inside middle(s.left, 0, s.size - 1, s.stride, s.width, s.out_width);
  const int64_t fast = whole ? s.channels / kLanes * kLanes : 0;
  if (fast > 0 && middle.last > middle.first)
    (s.size == 3 ? kernel_line_3 : kernel_line_5)(
        gradient + middle.first * s.channels,
        picture + start * row_step + (middle.first * s.stride - s.left) * s.channels, s.channels,
        row_step, s.stride, middle.last - middle.first, out);
  for (int64_t ky = rows.begin; ky < rows.end; ky++)
    for (int64_t kx = 0; kx < s.size; kx++) {
      const Inside own(s.left, kx, kx, s.stride, s.width, s.out_width);
      const auto add = [&](int64_t first, int64_t last, int64_t from) {
        if (first >= last || from >= s.channels) return;
        kernel_tap(gradient + first * s.channels + from,
                   picture + (start + ky) * row_step +
                       (first * s.stride - s.left + kx) * s.channels + from,
                   s.channels, s.stride * s.channels, last - first, s.channels - from,
                   out + (ky * s.size + kx) * s.channels + from);
      };
      if (fast > 0 && middle.last > middle.first) {
        add(own.first, middle.first, 0);
        add(middle.first, middle.last, fast);
        add(middle.last, own.last, 0);
      } else {
        add(own.first, own.last, 0);
      }
    }
}

int64_t grain(int64_t numbers) { return std::max<int64_t>(1, 16384 / numbers); }

}  // namespace

at::Tensor depthwise(const at::Tensor &x, const at::Tensor &kernel, const at::Tensor &bias,
                     const DepthwiseShape &s, Bounds bounds) {
  const at::Tensor result =
      at::empty({x.size(0), s.out_height, s.out_width, s.channels}, x.options());
  const float *in = read<float>(x), *weights = read<float>(kernel);
  const float *added = bias.defined() ? read<float>(bias) : nullptr;
  float *out = result.mutable_data_ptr<float>();
  const int64_t line = s.out_width * s.channels, row_step = s.width * s.channels;
  parallel(x.size(0) * s.out_height, grain(line), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; item++) {
      const int64_t top = item % s.out_height * s.stride - s.top;
      const float *picture = in + item / s.out_height * s.height * row_step;
      const Taps rows(top, s.size, s.height);
      const auto results = [&](int64_t first, int64_t count, Taps taps) {
        const int64_t left = first * s.stride - s.left;
        run({picture + (top + rows.begin) * row_step + (left + taps.begin) * s.channels, row_step,
             s.channels, s.stride * s.channels,
             weights + (rows.begin * s.size + taps.begin) * s.channels, s.size * s.channels,
             s.channels, std::max<int64_t>(0, rows.end - rows.begin),
             std::max<int64_t>(0, taps.end - taps.begin), out + item * line + first * s.channels,
             s.channels, count},
            added, bounds, s.channels);
      };
      const Inside middle(s.left, 0, s.size - 1, s.stride, s.width, s.out_width);
      const auto one = [&](int64_t x) {
        results(x, 1, Taps(x * s.stride - s.left, s.size, s.width));
      };
      for (int64_t x = 0; x < middle.first; x++) one(x);
      if (middle.last > middle.first)
        results(middle.first, middle.last - middle.first, Taps(0, s.size, s.size));
      for (int64_t x = middle.last; x < s.out_width; x++) one(x);
    }
  });
  return result;
}

at::Tensor depthwise_input(const at::Tensor &gradient, const at::Tensor &kernel,
                           const DepthwiseShape &s) {
  const at::Tensor result =
      at::empty({gradient.size(0), s.height, s.width, s.channels}, gradient.options());
  const float *in = read<float>(gradient), *weights = read<float>(kernel);
  float *out = result.mutable_data_ptr<float>();
  const int64_t line = s.width * s.channels, row_step = s.out_width * s.channels;
  constexpr float kFar = std::numeric_limits<float>::infinity();
  const Bounds free{-kFar, kFar};
  // A pixel is read by every stride-th tap; with each such tap back, the result before. So pixels
  // `stride` apart read alike, results as a picture, with the taps in falling order.
  struct Line {
    int64_t taps, first_tap, first;
    /// - at: the pixel, with the padding before it.
    Line(int64_t at, int64_t size, int64_t stride, int64_t count) {
      const int64_t phase = at % stride;
      // Taps phase, phase + stride, …; the result of tap k is (at − k) / stride.
      const int64_t least = std::max(phase, at - (count - 1) * stride);
      const int64_t most = std::min(size - 1, at);
      first_tap = phase + (least - phase + stride - 1) / stride * stride;
      taps = most < first_tap ? 0 : (most - first_tap) / stride + 1;
      first = (at - first_tap) / stride;
    }
  };
  parallel(gradient.size(0) * s.height, grain(line), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; item++) {
      const Line rows(item % s.height + s.top, s.size, s.stride, s.out_height);
      const float *picture = in + item / s.height * s.out_height * row_step;
      for (int64_t phase = 0; phase < std::min(s.stride, s.width); phase++) {
        const auto at = [&](int64_t j) {
          return Line(phase + j * s.stride + s.left, s.size, s.stride, s.out_width);
        };
        const int64_t count = (s.width - phase + s.stride - 1) / s.stride;
        for (int64_t j = 0; j < count;) {
          const Line own = at(j);
          int64_t end = j + 1;
          while (end < count && at(end).taps == own.taps && at(end).first_tap == own.first_tap)
            end++;
          run({picture + rows.first * row_step + own.first * s.channels, -row_step, -s.channels,
               s.channels, weights + (rows.first_tap * s.size + own.first_tap) * s.channels,
               s.stride * s.size * s.channels, s.stride * s.channels, rows.taps, own.taps,
               out + item * line + (phase + j * s.stride) * s.channels, s.stride * s.channels,
               end - j},
              nullptr, free, s.channels);
          j = end;
        }
      }
    }
  });
  return result;
}

at::Tensor depthwise_kernel(const at::Tensor &gradient, const at::Tensor &x,
                            const DepthwiseShape &s) {
  const int64_t lines = x.size(0) * s.out_height, count = s.size * s.size * s.channels;
  // Parts whose number no thread changes, added up in their order.
  const int64_t parts = std::min<int64_t>(16, lines);
  const at::Tensor sums = at::zeros({parts, s.size, s.size, s.channels}, x.options());
  const float *in = read<float>(x), *given = read<float>(gradient);
  float *out = sums.mutable_data_ptr<float>();
  const int64_t row_step = s.width * s.channels;
  parallel(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; part++)
      for (int64_t item = part * lines / parts; item < (part + 1) * lines / parts; item++)
        kernel_line(given + item * s.out_width * s.channels,
                    in + item / s.out_height * s.height * row_step, s, item % s.out_height,
                    out + part * count);
  });
  return sums.sum({0});
}

}  // namespace edge
