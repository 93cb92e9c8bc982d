// The loops of rows.hpp.
#include "rows.hpp"

#include <bit>
#include <cmath>

// Sums may be taken in any order: that is what lets them be taken many at a time.
#pragma clang fp reassociate(on) contract(fast)

namespace edge {

EDGE_VECTOR void widen(const float *in, float *__restrict out, int64_t count) {
  std::memcpy(out, in, count * sizeof(float));
}

EDGE_VECTOR void widen(const c10::BFloat16 *in, float *__restrict out, int64_t count) {
  const auto *bits = reinterpret_cast<const uint16_t *>(in);
  for (int64_t j = 0; j < count; j++) out[j] = std::bit_cast<float>(uint32_t{bits[j]} << 16);
}

EDGE_VECTOR void narrow(const float *in, float *__restrict out, int64_t count) {
  std::memcpy(out, in, count * sizeof(float));
}

EDGE_VECTOR void narrow(const float *in, c10::BFloat16 *__restrict out, int64_t count) {
  auto *bits = reinterpret_cast<uint16_t *>(out);
  for (int64_t j = 0; j < count; j++) {
    const uint32_t wide = std::bit_cast<uint32_t>(in[j]);
    const uint32_t rounded = (wide + 0x7FFFu + ((wide >> 16) & 1u)) >> 16;
    // Rounding could turn a NaN into an infinity.
    bits[j] = static_cast<uint16_t>((wide & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : rounded);
  }
}

EDGE_VECTOR void dropout_factors(float *__restrict out, int64_t first, int64_t count, uint64_t key,
                                 uint32_t threshold, float scale) {
  const uint32_t low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  for (int64_t j = 0; j < count; j++) {
    // Two rounds of multiply and shift.
    uint32_t h = low + static_cast<uint32_t>(first + j) * 0x9E3779B9u;
    h = (h ^ (h >> 16)) * 0x7FEB352Du;
    h = (h ^ (h >> 15) ^ high) * 0x846CA68Bu;
    h ^= h >> 16;
    out[j] = h >= threshold ? scale : 0.0f;
  }
}

EDGE_VECTOR void multiply(const float *in, const float *factor, float *__restrict out, int64_t count) {
  for (int64_t j = 0; j < count; j++) out[j] = in[j] * factor[j];
}

EDGE_VECTOR void add(const float *a, const float *b, float *__restrict out, int64_t count) {
  for (int64_t j = 0; j < count; j++) out[j] = a[j] + b[j];
}

EDGE_VECTOR void add_product(const float *a, const float *b, const float *factor, float *__restrict out,
                             int64_t count) {
  for (int64_t j = 0; j < count; j++) out[j] = a[j] + b[j] * factor[j];
}

EDGE_VECTOR Moments moments(const float *row, int64_t count, float epsilon) {
  float sum = 0;
  for (int64_t j = 0; j < count; j++) sum += row[j];
  const float mean = sum / static_cast<float>(count);
  float squares = 0;
  for (int64_t j = 0; j < count; j++) squares += (row[j] - mean) * (row[j] - mean);
  return {mean, 1.0f / std::sqrt(squares / static_cast<float>(count) + epsilon)};
}

EDGE_VECTOR void normalize(const float *row, Moments m, const float *weight, const float *bias,
                           float *__restrict out, int64_t count) {
  for (int64_t j = 0; j < count; j++)
    out[j] = (row[j] - m.mean) * m.reciprocal * weight[j] + bias[j];
}

EDGE_VECTOR void normalize_backward(const float *gradient, const float *row, Moments m,
                                    const float *weight, float *__restrict out, float *__restrict weight_sum,
                                    float *__restrict bias_sum, int64_t count) {
  float sum = 0, product = 0;
  for (int64_t j = 0; j < count; j++) {
    const float normal = (row[j] - m.mean) * m.reciprocal;
    const float inner = gradient[j] * weight[j];
    sum += inner;
    product += inner * normal;
    weight_sum[j] += gradient[j] * normal;
    bias_sum[j] += gradient[j];
  }
  const float mean = sum / static_cast<float>(count), slope = product / static_cast<float>(count);
  for (int64_t j = 0; j < count; j++) {
    const float normal = (row[j] - m.mean) * m.reciprocal;
    out[j] = m.reciprocal * (gradient[j] * weight[j] - mean - normal * slope);
  }
}

namespace {

/// eˣ within two units in the last place: 2ⁿ·eʳ with |r| ≤ ln 2 / 2, and eʳ by its Taylor sum.
__attribute__((always_inline)) inline float exponential(float x) {
  const float bounded = x > 88.0f ? 88.0f : x < -87.0f ? -87.0f : x;
  const float n = std::floor(bounded * 1.44269504f + 0.5f);
  // ln 2 in two parts, so that n · ln 2 is taken off without rounding.
  const float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  float sum = 1.0f / 5040;
  sum = sum * r + 1.0f / 720;
  sum = sum * r + 1.0f / 120;
  sum = sum * r + 1.0f / 24;
  sum = sum * r + 1.0f / 6;
  sum = sum * r + 0.5f;
  sum = sum * r + 1.0f;
  sum = sum * r + 1.0f;
  const int32_t power = (static_cast<int32_t>(n) + 127) << 23;
  // 0 below what a normal number holds: smaller ones are slow to work with.
  return x < -87.0f ? 0.0f : sum * std::bit_cast<float>(power);
}

/// Φ(x) from e = exp(−x²/2): Abramowitz & Stegun 7.1.26 for erf(|x|/√2), within 1.5e-7.
__attribute__((always_inline)) inline float normal_share(float x, float e) {
  const float size = std::fabs(x) * 0.70710678f;
  const float t = 1.0f / (1.0f + 0.3275911f * size);
  float sum = 1.061405429f;
  sum = sum * t - 1.453152027f;
  sum = sum * t + 1.421413741f;
  sum = sum * t - 0.284496736f;
  sum = sum * t + 0.254829592f;
  const float tail = 0.5f * sum * t * e;
  return x < 0 ? tail : 1.0f - tail;
}

/// The largest of a row; in lanes, because the order of comparisons may not be changed for us.
__attribute__((always_inline)) inline float largest(const float *in, int64_t count) {
  constexpr int64_t kLanes = 16;
  if (count < kLanes) {
    float most = in[0];
    for (int64_t j = 1; j < count; j++) most = in[j] > most ? in[j] : most;
    return most;
  }
  float lanes[kLanes];
  std::memcpy(lanes, in, sizeof lanes);
  for (int64_t j = kLanes; j + kLanes <= count; j += kLanes)
    for (int64_t k = 0; k < kLanes; k++)
      lanes[k] = in[j + k] > lanes[k] ? in[j + k] : lanes[k];
  for (int64_t k = 0; k < kLanes; k++) {
    const float last = in[count - kLanes + k];
    lanes[k] = last > lanes[k] ? last : lanes[k];
  }
  float most = lanes[0];
  for (int64_t k = 1; k < kLanes; k++) most = lanes[k] > most ? lanes[k] : most;
  return most;
}

}  // namespace

EDGE_VECTOR void gelu(const float *in, float *__restrict out, int64_t count) {
  for (int64_t j = 0; j < count; j++)
    out[j] = in[j] * normal_share(in[j], exponential(-0.5f * in[j] * in[j]));
}

EDGE_VECTOR void gelu_backward(const float *gradient, const float *in, float *__restrict out,
                               int64_t count) {
  for (int64_t j = 0; j < count; j++) {
    const float e = exponential(-0.5f * in[j] * in[j]);
    out[j] = gradient[j] * (normal_share(in[j], e) + in[j] * e * 0.39894228f);
  }
}

EDGE_VECTOR void softmax(const float *in, float scale, float *__restrict out, int64_t count) {
  const float most = largest(in, count);
  float sum = 0;
  for (int64_t j = 0; j < count; j++) {
    out[j] = exponential((in[j] - most) * scale);
    sum += out[j];
  }
  const float share = 1.0f / sum;
  for (int64_t j = 0; j < count; j++) out[j] *= share;
}

EDGE_VECTOR void softmax_backward(const float *gradient, const float *weights, float scale,
                                  float *__restrict out, int64_t count) {
  float sum = 0;
  for (int64_t j = 0; j < count; j++) sum += gradient[j] * weights[j];
  for (int64_t j = 0; j < count; j++) out[j] = scale * weights[j] * (gradient[j] - sum);
}

EDGE_VECTOR float largest_of(const float *in, int64_t count) { return largest(in, count); }

EDGE_VECTOR float exponential_sum(const float *in, float shift, int64_t count) {
  float sum = 0;
  for (int64_t j = 0; j < count; j++) sum += exponential(in[j] - shift);
  return sum;
}

EDGE_VECTOR void exponentials(const float *in, float shift, float scale, float *__restrict out,
                              int64_t count) {
  for (int64_t j = 0; j < count; j++) out[j] = exponential(in[j] - shift) * scale;
}

}  // namespace edge
