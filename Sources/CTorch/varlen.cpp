// Attention over packed rows on a device of its own: libtorch's variable-length kernels, which read
// where each sequence starts from a vector that lies on the device.
//
// bfloat16 goes to the flash kernel (Dao 2023), float32 to the memory-efficient one (Rabe & Staats
// 2021), which is the only one of the two that takes it.
#include <ATen/Context.h>
#include <ATen/ops/_efficient_attention_backward.h>
#include <ATen/ops/_efficient_attention_forward.h>
#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/constant_pad_nd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "edge.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

/// The memory-efficient kernel's names for its masks.
constexpr int64_t kNoMask = 0, kCausalFromTheEnd = 2;

struct VariableLengthAttention : torch::autograd::Function<VariableLengthAttention> {
  static at::Tensor forward(AutogradContext *context, at::Tensor q, at::Tensor k, at::Tensor v,
                            at::Tensor query_starts, at::Tensor key_starts, int64_t most_queries,
                            int64_t most_keys, bool causal, double scale, double dropout) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->saved_data["most_queries"] = most_queries;
    context->saved_data["most_keys"] = most_keys;
    context->saved_data["causal"] = causal;
    context->saved_data["scale"] = scale;
    context->saved_data["dropout"] = dropout;
    if (is_wide(q)) {
      const auto [out, sums, seed, offset, queries, keys] = at::_efficient_attention_forward(
          q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), std::nullopt, query_starts, key_starts,
          most_queries, most_keys, dropout, causal ? kCausalFromTheEnd : kNoMask,
          /*compute_log_sumexp=*/true, scale);
      context->save_for_backward({q, k, v, query_starts, key_starts, out, sums, seed, offset});
      return out.squeeze(0);
    }
    const auto [out, sums, seed, offset, mask] = at::_flash_attention_forward(
        q, k, v, query_starts, key_starts, most_queries, most_keys, dropout, causal,
        /*return_debug_mask=*/false, scale);
    context->save_for_backward({q, k, v, query_starts, key_starts, out, sums, seed, offset});
    return out;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &query_starts = saved[3],
                     &key_starts = saved[4], &out = saved[5], &sums = saved[6], &seed = saved[7],
                     &offset = saved[8];
    const int64_t most_queries = context->saved_data["most_queries"].toInt();
    const int64_t most_keys = context->saved_data["most_keys"].toInt();
    const bool causal = context->saved_data["causal"].toBool();
    const double scale = context->saved_data["scale"].toDouble();
    const double dropout = context->saved_data["dropout"].toDouble();
    const at::Tensor gradient = gradients[0].contiguous(), none;
    if (is_wide(q)) {
      const auto [gq, gk, gv, gb] = at::_efficient_attention_backward(
          gradient.unsqueeze(0), q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), std::nullopt, out,
          query_starts, key_starts, most_queries, most_keys, sums, dropout, seed, offset,
          causal ? kCausalFromTheEnd : kNoMask, /*bias_requires_grad=*/false, scale);
      return {gq.squeeze(0), gk.squeeze(0), gv.squeeze(0), none, none, none, none,
              none,          none,          none};
    }
    const auto [gq, gk, gv] = at::_flash_attention_backward(
        gradient, q, k, v, out, sums, query_starts, key_starts, most_queries, most_keys, dropout,
        causal, seed, offset, scale);
    return {gq, gk, gv, none, none, none, none, none, none, none};
  }

  static bool is_wide(const at::Tensor &q) { return q.scalar_type() == at::kFloat; }
};

/// Rows [T, heads·d] as [T, heads, d'], d' the next multiple of 8: what the kernels take.
at::Tensor heads_of(const at::Tensor &rows, int64_t heads) {
  const auto cut = rows.unflatten(1, {heads, rows.size(1) / heads});
  const int64_t missing = (8 - cut.size(2) % 8) % 8;
  return missing == 0 ? cut : at::constant_pad_nd(cut, {0, missing});
}

}  // namespace

void edge::seed_device(const at::Device &device, uint64_t seed) {
  auto generator = at::globalContext().defaultGenerator(device);
  const std::lock_guard lock(generator.mutex());
  generator.set_current_seed(seed);
}

CTorchStatus ctorch_varlen_attention(
    CTorchTensor query, CTorchTensor key, CTorchTensor value, intptr_t heads,
    CTorchTensor query_starts, CTorchTensor key_starts, intptr_t most_queries, intptr_t most_keys,
    bool causal, double dropout, uint64_t seed, CTorchTensor *result) {
  return guard([&] {
    const auto q = borrow(query), k = borrow(key), v = borrow(value);
    TORCH_CHECK(q.dim() == 2 && q.size(1) % heads == 0 && k.dim() == 2 && k.size(1) == q.size(1) &&
                    k.sizes() == v.sizes(),
                "attention rows ", q.sizes(), " and ", k.sizes(), " cannot be cut into ", heads,
                " heads");
    TORCH_CHECK(dropout >= 0 && dropout < 1, "dropout must be in 0..<1, found ", dropout);
    const double scale = 1.0 / std::sqrt(static_cast<double>(q.size(1) / heads));
    if (dropout > 0) edge::seed_device(q.device(), seed);
    const auto out = VariableLengthAttention::apply(
        heads_of(q, heads), heads_of(k, heads), heads_of(v, heads), borrow(query_starts),
        borrow(key_starts), most_queries, most_keys, causal, scale, dropout);
    *result = give(out.narrow(2, 0, q.size(1) / heads).reshape({q.size(0), q.size(1)}));
  });
}
