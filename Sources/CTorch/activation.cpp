// GELU and dropout in one pass over the rows, and back.
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "edge.hpp"
#include "parallel.hpp"
#include "rows.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

constexpr int64_t kChunk = 512;

/// Calls `body(first column, count)` for stretches of a row that fit the first-level cache.
template <typename Body>
void chunks(int64_t columns, const Body &body) {
  for (int64_t first = 0; first < columns; first += kChunk)
    body(first, std::min(kChunk, columns - first));
}

struct GeluDropout : torch::autograd::Function<GeluDropout> {
  static at::Tensor forward(AutogradContext *context, at::Tensor x, at::Tensor keys,
                            double probability, int64_t seed) {
    at::AutoDispatchBelowADInplaceOrView below;
    x = x.contiguous();
    context->save_for_backward({x, keys});
    context->saved_data["probability"] = probability;
    context->saved_data["seed"] = seed;
    const at::Tensor output = at::empty_like(x);
    rows(x, keys, probability, seed, [&](int64_t r, const float *factors, float *wide,
                                         float *result, int64_t first, int64_t count) {
      const int64_t start = r * x.size(1) + first;
      load(x, start, wide, count);
      edge::gelu(wide, result, count);
      if (!factors) return store(result, output, start, count);
      edge::multiply(result, factors, wide, count);
      store(wide, output, start, count);
    });
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0];
    const at::Tensor gradient = gradients[0].contiguous();
    const at::Tensor output = at::empty_like(x);
    rows(x, saved[1], context->saved_data["probability"].toDouble(),
         context->saved_data["seed"].toInt(),
         [&](int64_t r, const float *factors, float *wide, float *result, int64_t first,
             int64_t count) {
      const int64_t start = r * x.size(1) + first;
      float inner[kChunk];
      load(gradient, start, wide, count);
      load(x, start, inner, count);
      edge::gelu_backward(wide, inner, result, count);
      if (!factors) return store(result, output, start, count);
      edge::multiply(result, factors, wide, count);
      store(wide, output, start, count);
    });
    const at::Tensor none;
    return {output, none, none, none};
  }

  /// Calls `body` for each stretch of each row with its dropout factors, null without dropout, and
  /// two stretches to work in.
  template <typename Body>
  static void rows(const at::Tensor &x, const at::Tensor &keys, double probability, int64_t seed,
                   const Body &body) {
    const edge::DropoutBits bits(probability);
    const int64_t *key = bits.any() ? edge::read<int64_t>(keys) : nullptr;
    const int64_t columns = x.size(1);
    edge::parallel(x.size(0), std::max<int64_t>(1, 16384 / columns),
                   [&](int64_t begin, int64_t end) {
      float factors[kChunk], wide[kChunk], result[kChunk];
      for (int64_t r = begin; r < end; r++) {
        const uint64_t own = key ? edge::row_key(key[r], seed) : 0;
        chunks(columns, [&](int64_t first, int64_t count) {
          if (key)
            edge::dropout_factors(factors, first, count, own, bits.threshold, bits.scale);
          body(r, key ? factors : nullptr, wide, result, first, count);
        });
      }
    });
  }

  static void load(const at::Tensor &from, int64_t start, float *to, int64_t count) {
    if (from.scalar_type() == at::kFloat)
      edge::widen(edge::read<float>(from) + start, to, count);
    else
      edge::widen(edge::read<at::BFloat16>(from) + start, to, count);
  }

  static void store(const float *from, const at::Tensor &to, int64_t start, int64_t count) {
    if (to.scalar_type() == at::kFloat)
      edge::narrow(from, static_cast<float *>(to.mutable_data_ptr()) + start, count);
    else
      edge::narrow(from, static_cast<at::BFloat16 *>(to.mutable_data_ptr()) + start, count);
  }
};

}  // namespace

CTorchStatus ctorch_gelu_dropout(
    CTorchTensor x, CTorchTensor row_keys, double probability, uint64_t seed,
    CTorchTensor *result) {
  return guard([&] {
    const auto input = borrow(x), keys = borrow(row_keys);
    const auto type = input.scalar_type();
    edge::need_cpu({input, keys});
    TORCH_CHECK(input.dim() == 2 && input.size(1) > 0 &&
                    (type == at::kFloat || type == at::kBFloat16),
                "expected rows [T, D] of float32 or bfloat16, found ", type, " ", input.sizes());
    TORCH_CHECK(probability >= 0 && probability < 1, "dropout must be in 0..<1, found ",
                probability);
    TORCH_CHECK(probability == 0 || (keys.defined() && keys.scalar_type() == at::kLong &&
                                     keys.numel() == input.size(0)),
                "dropout needs an int64 key for each row");
    const auto none = at::empty({0}, at::kLong);
    *result = give(GeluDropout::apply(input, keys.defined() ? keys.contiguous() : none,
                                      probability, static_cast<int64_t>(seed)));
  });
}
