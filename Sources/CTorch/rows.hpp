// Loops over one row of float32 or bfloat16 numbers, written so that they become vector code for
// the processor at hand. bfloat16 rows are widened on the way in and rounded on the way out.
#pragma once
#include <c10/util/BFloat16.h>

#include <cstdint>
#include <cstring>

// One copy for each kind of processor; the loader picks.
#define EDGE_VECTOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

namespace edge {

/// The longest row that the kernels hold on the stack.
constexpr int64_t kWidestRow = 8192;

/// out = in, as float32.
void widen(const float *in, float *__restrict out, int64_t count);
void widen(const c10::BFloat16 *in, float *__restrict out, int64_t count);
/// out = in, rounded to the nearest, ties to even.
void narrow(const float *in, float *__restrict out, int64_t count);
void narrow(const float *in, c10::BFloat16 *__restrict out, int64_t count);

/// The factors 0 or `scale` of columns `first` on: inverted dropout whose bits are a hash of the
/// key and the column.
void dropout_factors(float *__restrict out, int64_t first, int64_t count, uint64_t key, uint32_t threshold,
                     float scale);
/// What `dropout_factors` needs for a probability.
struct DropoutBits {
  uint32_t threshold;
  float scale;
  explicit DropoutBits(double probability)
      : threshold(static_cast<uint32_t>(probability * 4294967296.0)),
        scale(static_cast<float>(1.0 / (1.0 - probability))) {}
  bool any() const { return threshold > 0; }
};

/// out = in · factor
void multiply(const float *in, const float *factor, float *__restrict out, int64_t count);
/// out = a + b
void add(const float *a, const float *b, float *__restrict out, int64_t count);
/// out = a + b · factor
void add_product(const float *a, const float *b, const float *factor, float *__restrict out, int64_t count);

struct Moments {
  float mean, reciprocal;
};
/// The mean, and one over the deviation with `epsilon` under the root.
Moments moments(const float *row, int64_t count, float epsilon);
/// out = (row - mean) · reciprocal · weight + bias
void normalize(const float *row, Moments m, const float *weight, const float *bias, float *__restrict out,
               int64_t count);
/// The gradient of `normalize` to its row, and what this row adds to those of weight and bias.
void normalize_backward(const float *gradient, const float *row, Moments m, const float *weight,
                        float *__restrict out, float *__restrict weight_sum, float *__restrict bias_sum, int64_t count);

/// out = in · Φ(in), the GELU (Hendrycks & Gimpel 2016) within 2e-7.
void gelu(const float *in, float *__restrict out, int64_t count);
/// out = gradient · GELU'(in)
void gelu_backward(const float *gradient, const float *in, float *__restrict out, int64_t count);
/// out = softmax(in · scale)
void softmax(const float *in, float scale, float *__restrict out, int64_t count);
/// out = scale · weights · (gradient − Σ gradient · weights): from softmax's output to its input.
void softmax_backward(const float *gradient, const float *weights, float scale,
                      float *__restrict out, int64_t count);

/// The largest number of a row.
float largest_of(const float *in, int64_t count);
/// Σ exp(in − shift)
float exponential_sum(const float *in, float shift, int64_t count);
/// out = exp(in − shift) · scale
void exponentials(const float *in, float shift, float scale, float *__restrict out, int64_t count);

}  // namespace edge
