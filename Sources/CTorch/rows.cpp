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

}  // namespace edge
