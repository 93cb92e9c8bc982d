// RoIAlign (He et al. 2017, "Mask R-CNN"): features of boxes by bilinear samples, and back.
//
// A bin averages samples that lie on a grid, and a bilinear weight is a product of one along y and
// one along x. So a box is served row by row: a row of the picture is averaged along x into the
// bins of one line, then added to the lines of bins that reach it. Neighbouring samples share
// pixels, and each shared pixel is read once. Channels lie side by side: loops over them are vector
// code.
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>

#include "edge.hpp"
#include "parallel.hpp"
#include "rows.hpp"

#pragma clang fp reassociate(on) contract(fast)

using edge::borrow;
using edge::give;
using edge::guard;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

struct Settings {
  double scale;
  int64_t height, width, sampling;
  bool aligned;
};

/// What one bin reads along one axis: `count` neighbouring pixels from `first` on.
struct Reach {
  int64_t first, count, weights;
};

/// The bins of a box along one axis.
struct Axis {
  std::vector<Reach> bins;
  std::vector<float> weights;
  /// The pixels that any bin reads.
  int64_t begin = 0, end = 0;

  /// - start, length: of the box, in pixels of the features; size: their number along this axis.
  void set(float start, float length, int64_t count, int64_t sampling, int64_t size) {
    bins.clear();
    weights.clear();
    begin = size;
    end = 0;
    const float bin = length / static_cast<float>(count);
    const int64_t samples = sampling > 0 ? sampling : static_cast<int64_t>(std::ceil(bin));
    const float share = samples > 0 ? 1.0f / static_cast<float>(samples) : 0.0f;
    for (int64_t p = 0; p < count; p++) {
      const float edge = start + static_cast<float>(p) * bin;
      int64_t first = size, last = -1;
      each_sample(edge, bin, samples, size, [&](int64_t low, int64_t high, float) {
        first = std::min(first, low);
        last = std::max(last, high);
      });
      const Reach reach{first, std::max<int64_t>(0, last - first + 1),
                        static_cast<int64_t>(weights.size())};
      bins.push_back(reach);
      if (reach.count == 0) continue;
      weights.resize(weights.size() + reach.count, 0.0f);
      float *own = weights.data() + reach.weights;
      each_sample(edge, bin, samples, size, [&](int64_t low, int64_t high, float part) {
        own[low - first] += (1 - part) * share;
        own[high - first] += part * share;
      });
      begin = std::min(begin, first);
      end = std::max(end, last + 1);
    }
  }

  /// The weight that bin `p` gives to a pixel.
  float weight(int64_t p, int64_t pixel) const {
    const Reach &reach = bins[p];
    const int64_t place = pixel - reach.first;
    return place >= 0 && place < reach.count ? weights[reach.weights + place] : 0.0f;
  }

 private:
  /// Calls `body` with the two pixels of each sample and the part that the second one has; samples
  /// more than a pixel outside count as 0.
  template <typename Body>
  static void each_sample(float edge, float bin, int64_t samples, int64_t size, const Body &body) {
    for (int64_t i = 0; i < samples; i++) {
      float at = edge + (static_cast<float>(i) + 0.5f) * bin / static_cast<float>(samples);
      if (at < -1.0f || at > static_cast<float>(size)) continue;
      at = std::max(at, 0.0f);
      const int64_t low = static_cast<int64_t>(at);
      if (low >= size - 1) {
        body(size - 1, size - 1, 0.0f);
      } else {
        body(low, low + 1, at - static_cast<float>(low));
      }
    }
  }
};

/// The bins of one box, and the picture it lies in.
struct Region {
  Axis y, x;
  int64_t picture = 0;

  void set(const float *box, const Settings &settings, int64_t height, int64_t width) {
    const float scale = static_cast<float>(settings.scale);
    const float offset = settings.aligned ? 0.5f : 0.0f;
    const float x1 = box[1] * scale - offset, y1 = box[2] * scale - offset;
    float w = box[3] * scale - offset - x1, h = box[4] * scale - offset - y1;
    if (!settings.aligned) {
      w = std::max(w, 1.0f);
      h = std::max(h, 1.0f);
    }
    picture = static_cast<int64_t>(box[0]);
    y.set(y1, h, settings.height, settings.sampling, height);
    x.set(x1, w, settings.width, settings.sampling, width);
  }
};

/// Channels that are summed in registers.
constexpr int64_t kBlock = 64;

/// out = Σ weights[t] · in[t], for taps that lie `step` apart.
__attribute__((always_inline)) inline void weighted_sum(const float *in, int64_t step,
                                                        const float *weights, int64_t taps,
                                                        float *__restrict out, int64_t count) {
  int64_t c = 0;
  for (; c + kBlock <= count; c += kBlock) {
    float sum[kBlock];
    for (int64_t k = 0; k < kBlock; k++) sum[k] = 0;
    for (int64_t t = 0; t < taps; t++) {
      const float *row = in + t * step + c;
      const float weight = weights[t];
      for (int64_t k = 0; k < kBlock; k++) sum[k] += weight * row[k];
    }
    for (int64_t k = 0; k < kBlock; k++) out[c + k] = sum[k];
  }
  if (c == count) return;
  for (int64_t k = c; k < count; k++) out[k] = 0;
  for (int64_t t = 0; t < taps; t++)
    for (int64_t k = c; k < count; k++) out[k] += weights[t] * in[t * step + k];
}

__attribute__((always_inline)) inline void add_scaled(const float *in, float factor,
                                                      float *__restrict out, int64_t count) {
  for (int64_t k = 0; k < count; k++) out[k] += factor * in[k];
}

__attribute__((always_inline)) inline void put_scaled(const float *in, float factor,
                                                      float *__restrict out, int64_t count) {
  for (int64_t k = 0; k < count; k++) out[k] = factor * in[k];
}

/// The bins [height, width, channels] of one box from a picture [.., columns, channels]. `line`
/// holds one line of bins.
EDGE_VECTOR void pool(const float *picture, int64_t columns, int64_t channels, const Region &region,
                      const Settings &settings, float *line, float *out) {
  const Axis &ys = region.y, &xs = region.x;
  const int64_t width = settings.width * channels;
  bool written[1024] = {};
  for (int64_t y = ys.begin; y < ys.end; y++) {
    bool filled = false;
    for (int64_t p = 0; p < settings.height; p++) {
      const float weight = ys.weight(p, y);
      if (weight == 0) continue;
      if (!filled) {
        for (int64_t q = 0; q < settings.width; q++) {
          const Reach &reach = xs.bins[q];
          weighted_sum(picture + (y * columns + reach.first) * channels, channels,
                       xs.weights.data() + reach.weights, reach.count, line + q * channels,
                       channels);
        }
        filled = true;
      }
      if (written[p]) {
        add_scaled(line, weight, out + p * width, width);
      } else {
        put_scaled(line, weight, out + p * width, width);
        written[p] = true;
      }
    }
  }
  for (int64_t p = 0; p < settings.height; p++)
    if (!written[p]) std::memset(out + p * width, 0, width * sizeof(float));
}

/// Adds to a picture what the gradients of one box's bins, `step` apart, give to it, for `count`
/// channels.
EDGE_VECTOR void unpool(float *picture, int64_t columns, int64_t channels, const Region &region,
                        const Settings &settings, int64_t count, float *line,
                        const float *gradient, int64_t step) {
  const Axis &ys = region.y, &xs = region.x;
  for (int64_t y = ys.begin; y < ys.end; y++) {
    bool filled = false;
    for (int64_t p = 0; p < settings.height; p++) {
      const float weight = ys.weight(p, y);
      if (weight == 0) continue;
      for (int64_t q = 0; q < settings.width; q++) {
        const float *bin = gradient + (p * settings.width + q) * step;
        if (filled) {
          add_scaled(bin, weight, line + q * count, count);
        } else {
          put_scaled(bin, weight, line + q * count, count);
        }
      }
      filled = true;
    }
    if (!filled) continue;
    for (int64_t q = 0; q < settings.width; q++) {
      const Reach &reach = xs.bins[q];
      for (int64_t t = 0; t < reach.count; t++)
        add_scaled(line + q * count, xs.weights[reach.weights + t],
                   picture + (y * columns + reach.first + t) * channels, count);
    }
  }
}

/// out[j][i] = in[i][j], in squares that stay in the cache.
EDGE_VECTOR void turn(const float *in, int64_t rows, int64_t columns, float *__restrict out) {
  constexpr int64_t kSide = 16;
  for (int64_t j = 0; j < columns; j += kSide)
    for (int64_t i = 0; i < rows; i += kSide)
      for (int64_t b = j; b < std::min(columns, j + kSide); b++)
        for (int64_t a = i; a < std::min(rows, i + kSide); a++)
          out[b * rows + a] = in[a * columns + b];
}

/// Channels last, as float32: [N, H, W, C].
at::Tensor channels_last(const at::Tensor &t) {
  return t.permute({0, 2, 3, 1}).to(at::kFloat).contiguous();
}

struct RoIAlign : torch::autograd::Function<RoIAlign> {
  static at::Tensor forward(AutogradContext *context, at::Tensor features, at::Tensor boxes,
                            Settings settings) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({boxes});
    context->saved_data["shape"] = features.sizes().vec();
    context->saved_data["type"] = static_cast<int64_t>(features.scalar_type());
    context->saved_data["scale"] = settings.scale;
    context->saved_data["grid"] = std::vector<int64_t>{settings.height, settings.width,
                                                       settings.sampling, settings.aligned};
    const at::Tensor rows = channels_last(features);
    const int64_t height = rows.size(1), width = rows.size(2), channels = rows.size(3);
    const int64_t count = boxes.size(0), bins = settings.height * settings.width * channels;
    // The result's channels lie as those of the features do.
    const bool first = features.is_contiguous();
    const std::vector<int64_t> shape{count, settings.height, settings.width, channels};
    const at::Tensor result =
        first ? at::empty({count, channels, settings.height, settings.width}, rows.options())
              : at::empty(shape, rows.options()).permute({0, 3, 1, 2});
    const float *in = edge::read<float>(rows), *box = edge::read<float>(boxes);
    float *out = result.mutable_data_ptr<float>();
    edge::parallel(count, 1, [&](int64_t begin, int64_t end) {
      Region region;
      std::vector<float> line(settings.width * channels), own(first ? bins : 0);
      for (int64_t k = begin; k < end; k++) {
        region.set(box + 5 * k, settings, height, width);
        float *target = out + k * bins;
        pool(in + region.picture * height * width * channels, width, channels, region, settings,
             line.data(), first ? own.data() : target);
        if (first) turn(own.data(), bins / channels, channels, target);
      }
    });
    return result;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    at::AutoDispatchBelowADInplaceOrView below;
    const at::Tensor boxes = context->get_saved_variables()[0];
    const auto shape = context->saved_data["shape"].toIntVector();
    const auto grid = context->saved_data["grid"].toIntVector();
    const Settings settings{context->saved_data["scale"].toDouble(), grid[0], grid[1], grid[2],
                            grid[3] != 0};
    const int64_t channels = shape[1], height = shape[2], width = shape[3];
    const bool first = gradients[0].is_contiguous() && gradients[0].scalar_type() == at::kFloat;
    const at::Tensor given = first ? gradients[0] : channels_last(gradients[0]);
    const at::Tensor result = at::zeros({shape[0], height, width, channels}, given.options());
    const float *in = edge::read<float>(given), *box = edge::read<float>(boxes);
    float *out = result.mutable_data_ptr<float>();
    const int64_t count = boxes.size(0), bins = settings.height * settings.width * channels;
    // Boxes overlap, channels do not: each thread adds up its own channels over all boxes in their
    // order, so that neither threads nor chance change a sum.
    edge::parallel(channels, 16, [&](int64_t begin, int64_t end) {
      Region region;
      const int64_t own = end - begin, places = settings.height * settings.width;
      std::vector<float> line(settings.width * own), turned(first ? places * own : 0);
      for (int64_t k = 0; k < count; k++) {
        region.set(box + 5 * k, settings, height, width);
        const float *gradient = in + k * bins + begin;
        if (first) turn(in + k * bins + begin * places, own, places, turned.data());
        unpool(out + region.picture * height * width * channels + begin, width, channels, region,
               settings, own, line.data(), first ? turned.data() : gradient,
               first ? own : channels);
      }
    });
    const auto type = static_cast<at::ScalarType>(context->saved_data["type"].toInt());
    return {result.permute({0, 3, 1, 2}).to(type), at::Tensor(), at::Tensor()};
  }
};

/// Farther out a box would ask for samples without end.
constexpr float kFarthest = 1e6f;

void check_boxes(const at::Tensor &boxes, int64_t pictures, double scale) {
  const float *box = edge::read<float>(boxes);
  for (int64_t k = 0; k < boxes.size(0); k++, box += 5) {
    TORCH_CHECK(box[0] >= 0 && box[0] < static_cast<float>(pictures) &&
                    box[0] == std::floor(box[0]),
                "box ", k, " lies in picture ", box[0], " of ", pictures);
    for (int64_t i = 1; i < 5; i++)
      TORCH_CHECK(std::fabs(box[i] * static_cast<float>(scale)) < kFarthest, "box ", k,
                  " has the coordinate ", box[i], ", more than ", kFarthest,
                  " pixels of the features away");
  }
}

}  // namespace

CTorchStatus ctorch_roi_align(
    CTorchTensor features, CTorchTensor boxes, double scale, intptr_t height, intptr_t width,
    intptr_t sampling, bool aligned, CTorchTensor *result) {
  return guard([&] {
    const auto input = borrow(features), regions = borrow(boxes).detach().contiguous();
    edge::need_cpu({input, regions});
    TORCH_CHECK(input.dim() == 4 && input.numel() > 0,
                "features must be [N, C, H, W] and not empty, found ", input.sizes());
    TORCH_CHECK(input.scalar_type() == at::kFloat || input.scalar_type() == at::kBFloat16,
                "features must be float32 or bfloat16, found ", input.scalar_type());
    TORCH_CHECK(regions.dim() == 2 && regions.size(1) == 5 && regions.scalar_type() == at::kFloat,
                "boxes must be float32 [K, 5]: picture, x1, y1, x2, y2; found ",
                regions.scalar_type(), " ", regions.sizes());
    TORCH_CHECK(height > 0 && width > 0 && height <= 1024 && width <= 1024 && sampling >= 0 &&
                    sampling <= 1024,
                "bins must be 1 to 1024 a side and samples 0 to 1024, found ", height, " x ", width,
                " and ", sampling);
    TORCH_CHECK(scale > 0 && std::isfinite(scale), "the scale must be positive, found ", scale);
    check_boxes(regions, input.size(0), scale);
    *result = give(RoIAlign::apply(input, regions, Settings{scale, height, width, sampling,
                                                            aligned}));
  });
}
