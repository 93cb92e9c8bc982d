// Residual sum, dropout and layer norm (Ba et al. 2016) in one pass over the rows, and back.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>
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

/// Calls `body` with a null pointer of the element type.
template <typename Body>
void with_type(at::ScalarType type, const Body &body) {
  if (type == at::kFloat) return body(static_cast<float *>(nullptr));
  TORCH_CHECK(type == at::kBFloat16, "expected float32 or bfloat16, found ", type);
  body(static_cast<at::BFloat16 *>(nullptr));
}

int64_t grain(int64_t columns) { return std::max<int64_t>(1, 32768 / columns); }

/// What the function is told beside its tensors. Autograd functions take defined tensors only: an
/// empty one stands for none.
struct Settings {
  double probability;
  int64_t seed;
  double epsilon;
  int64_t type;
};

/// y = x + dropout(branch); n = norm(y). Without a branch y is x, without a weight there is no n.
struct ResidualNorm : torch::autograd::Function<ResidualNorm> {
  static variable_list forward(AutogradContext *context, at::Tensor x, at::Tensor branch,
                               at::Tensor weight, at::Tensor bias, at::Tensor keys,
                               Settings settings) {
    at::AutoDispatchBelowADInplaceOrView below;
    x = x.contiguous();
    const bool has_branch = branch.numel() > 0, has_norm = weight.numel() > 0;
    const at::Tensor sum = has_branch ? at::empty_like(x) : x;
    const at::Tensor moments =
        at::empty({has_norm ? x.size(0) : 0, 2}, x.options().requires_grad(false));
    at::Tensor normed;
    if (has_norm)
      normed = at::empty(x.sizes(), x.options().dtype(static_cast<at::ScalarType>(settings.type)));
    with_type(has_branch ? branch.scalar_type() : at::kFloat, [&](auto *b) {
      with_type(has_norm ? normed.scalar_type() : at::kFloat, [&](auto *n) {
        using B = std::remove_pointer_t<decltype(b)>;
        using N = std::remove_pointer_t<decltype(n)>;
        forward_rows<B, N>(x, branch.contiguous(), weight, bias, keys, settings, sum, moments,
                           normed);
      });
    });
    context->save_for_backward({sum, weight, moments, keys});
    context->saved_data["probability"] = settings.probability;
    context->saved_data["seed"] = settings.seed;
    context->saved_data["branch"] =
        has_branch ? static_cast<int64_t>(branch.scalar_type()) : int64_t{-1};
    context->set_materialize_grads(false);
    variable_list results;
    if (has_branch) results.push_back(sum);
    if (has_norm) results.push_back(normed);
    return results;
  }

  template <typename B, typename N>
  static void forward_rows(const at::Tensor &x, const at::Tensor &branch, const at::Tensor &weight,
                           const at::Tensor &bias, const at::Tensor &keys, const Settings &settings,
                           const at::Tensor &sum, const at::Tensor &moments,
                           const at::Tensor &normed) {
    const int64_t columns = x.size(1);
    const float *in = edge::read<float>(x);
    const B *added = branch.numel() > 0 ? edge::read<B>(branch) : nullptr;
    float *total = added ? sum.mutable_data_ptr<float>() : nullptr;
    N *out = normed.defined() ? normed.mutable_data_ptr<N>() : nullptr;
    const float *w = out ? edge::read<float>(weight) : nullptr;
    const float *b = out ? edge::read<float>(bias) : nullptr;
    auto *statistics = out ? moments.mutable_data_ptr<float>() : nullptr;
    const edge::DropoutBits bits(settings.probability);
    const int64_t *key = bits.any() ? edge::read<int64_t>(keys) : nullptr;
    edge::parallel(x.size(0), grain(columns), [&](int64_t begin, int64_t end) {
      float wide[edge::kWidestRow], factors[edge::kWidestRow];
      for (int64_t r = begin; r < end; r++) {
        const float *row = in + r * columns;
        if (added) {
          float *target = total + r * columns;
          edge::widen(added + r * columns, wide, columns);
          if (bits.any()) {
            edge::dropout_factors(factors, 0, columns, edge::row_key(key[r], settings.seed),
                                  bits.threshold, bits.scale);
            edge::add_product(row, wide, factors, target, columns);
          } else {
            edge::add(row, wide, target, columns);
          }
          row = target;
        }
        if (!out) continue;
        const auto m = edge::moments(row, columns, static_cast<float>(settings.epsilon));
        statistics[2 * r] = m.mean;
        statistics[2 * r + 1] = m.reciprocal;
        edge::normalize(row, m, w, b, wide, columns);
        edge::narrow(wide, out + r * columns, columns);
      }
    });
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto saved = context->get_saved_variables();
    const at::Tensor &sum = saved[0], &weight = saved[1], &moments = saved[2], &keys = saved[3];
    const int64_t branch = context->saved_data["branch"].toInt();
    const bool has_norm = weight.numel() > 0;
    at::Tensor to_sum = branch >= 0 ? gradients[0] : at::Tensor();
    at::Tensor to_normed = has_norm ? gradients.back() : at::Tensor();
    const at::Tensor none;
    if (!to_sum.defined() && !to_normed.defined()) return {none, none, none, none, none, none};
    if (to_sum.defined()) to_sum = to_sum.to(at::kFloat).contiguous();
    if (to_normed.defined()) to_normed = to_normed.contiguous();
    const at::Tensor dx = at::empty_like(sum);
    at::Tensor dbranch, parameters;
    if (branch >= 0)
      dbranch = at::empty(sum.sizes(), sum.options().dtype(static_cast<at::ScalarType>(branch)));
    if (to_normed.defined())
      parameters = at::zeros({at::get_num_threads(), 2, sum.size(1)}, sum.options());
    const edge::DropoutBits bits(context->saved_data["probability"].toDouble());
    const int64_t seed = context->saved_data["seed"].toInt();
    with_type(branch >= 0 ? dbranch.scalar_type() : at::kFloat, [&](auto *b) {
      with_type(to_normed.defined() ? to_normed.scalar_type() : at::kFloat, [&](auto *n) {
        using B = std::remove_pointer_t<decltype(b)>;
        using N = std::remove_pointer_t<decltype(n)>;
        backward_rows<B, N>(sum, weight, moments, keys, to_sum, to_normed, bits, seed, dx, dbranch,
                            parameters);
      });
    });
    at::Tensor dweight, dbias;
    if (parameters.defined()) {
      const at::Tensor total = parameters.sum(0);
      dweight = total[0];
      dbias = total[1];
    }
    return {dx, dbranch, dweight, dbias, none, none};
  }

  template <typename B, typename N>
  static void backward_rows(const at::Tensor &sum, const at::Tensor &weight,
                            const at::Tensor &moments, const at::Tensor &keys,
                            const at::Tensor &to_sum, const at::Tensor &to_normed,
                            const edge::DropoutBits &bits, int64_t seed, const at::Tensor &dx,
                            const at::Tensor &dbranch, const at::Tensor &parameters) {
    const int64_t columns = sum.size(1);
    const float *y = edge::read<float>(sum);
    const float *gy = to_sum.defined() ? edge::read<float>(to_sum) : nullptr;
    const N *gn = to_normed.defined() ? edge::read<N>(to_normed) : nullptr;
    const float *w = gn ? edge::read<float>(weight) : nullptr;
    const float *statistics = gn ? edge::read<float>(moments) : nullptr;
    float *sums = gn ? parameters.mutable_data_ptr<float>() : nullptr;
    float *out = dx.mutable_data_ptr<float>();
    B *branch = dbranch.defined() ? dbranch.mutable_data_ptr<B>() : nullptr;
    const int64_t *key = bits.any() && branch ? edge::read<int64_t>(keys) : nullptr;
    edge::parallel(sum.size(0), grain(columns), [&](int64_t begin, int64_t end) {
      float wide[edge::kWidestRow], factors[edge::kWidestRow];
      float *own = sums ? sums + at::get_thread_num() * 2 * columns : nullptr;
      for (int64_t r = begin; r < end; r++) {
        float *target = out + r * columns;
        if (gn) {
          edge::widen(gn + r * columns, wide, columns);
          const edge::Moments m{statistics[2 * r], statistics[2 * r + 1]};
          edge::normalize_backward(wide, y + r * columns, m, w, target, own, own + columns,
                                   columns);
          if (gy) {
            edge::add(target, gy + r * columns, wide, columns);
            edge::widen(wide, target, columns);
          }
        } else {
          edge::widen(gy + r * columns, target, columns);
        }
        if (!branch) continue;
        if (key) {
          edge::dropout_factors(factors, 0, columns, edge::row_key(key[r], seed), bits.threshold,
                                bits.scale);
          edge::multiply(target, factors, wide, columns);
          edge::narrow(wide, branch + r * columns, columns);
        } else {
          edge::narrow(target, branch + r * columns, columns);
        }
      }
    });
  }
};

}  // namespace

CTorchStatus ctorch_residual_norm(
    CTorchTensor x, CTorchTensor branch, CTorchTensor row_keys, double probability, uint64_t seed,
    CTorchTensor weight, CTorchTensor bias, double epsilon, int32_t dtype, CTorchTensor *sum,
    CTorchTensor *normed) {
  return guard([&] {
    const auto rows = borrow(x), added = borrow(branch), w = borrow(weight), b = borrow(bias);
    const auto keys = borrow(row_keys);
    edge::need_cpu({rows, added, w, b, keys});
    TORCH_CHECK(rows.dim() == 2 && rows.scalar_type() == at::kFloat && rows.size(1) > 0 &&
                    rows.size(1) <= edge::kWidestRow,
                "expected float32 rows [T, D] of at most ", edge::kWidestRow, " columns, found ",
                rows.scalar_type(), " ", rows.sizes());
    TORCH_CHECK(!added.defined() || added.sizes() == rows.sizes(), "a branch of ",
                added.defined() ? added.sizes() : rows.sizes(), " beside rows of ", rows.sizes());
    TORCH_CHECK(probability >= 0 && probability < 1, "dropout must be in 0..<1, found ",
                probability);
    TORCH_CHECK(probability == 0 || (keys.defined() && keys.scalar_type() == at::kLong &&
                                     keys.numel() == rows.size(0)),
                "dropout needs an int64 key for each row");
    TORCH_CHECK(added.defined() || w.defined(), "neither a branch to add nor a norm");
    TORCH_CHECK(!w.defined() || (b.defined() && w.numel() == rows.size(1) &&
                                 b.numel() == rows.size(1) && w.scalar_type() == at::kFloat &&
                                 b.scalar_type() == at::kFloat),
                "a norm of ", rows.size(1), " columns needs float32 weight and bias of that size");
    const auto none = at::empty({0}, rows.options().requires_grad(false));
    const auto results = ResidualNorm::apply(
        rows, added.defined() ? added : none, w.defined() ? w : none, b.defined() ? b : none,
        keys.defined() ? keys.contiguous() : none,
        Settings{probability, static_cast<int64_t>(seed), epsilon, dtype});
    *sum = give(added.defined() ? results[0] : at::Tensor());
    *normed = give(w.defined() ? results.back() : at::Tensor());
  });
}
