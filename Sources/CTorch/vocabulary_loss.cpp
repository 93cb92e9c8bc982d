// Cross-entropy over a vocabulary, a stretch of rows at a time: the logits of all masked rows of a
// step are the largest tensor it would have. One stretch is kept for the backward pass; where there
// are more, each is computed again there.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "edge.hpp"
#include "linear.hpp"
#include "parallel.hpp"
#include "rows.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using edge::product;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

constexpr int64_t kChunk = 512;

/// What a row adds to the loss and to the count of right ones.
struct RowLoss {
  float loss;
  bool is_right;
};

/// Logits become softmax − [column = label], in place.
template <typename T>
RowLoss learn_row(T *row, int64_t columns, int64_t label) {
  float wide[kChunk], shares[kChunk];
  const auto each = [&](const auto &body) {
    for (int64_t first = 0; first < columns; first += kChunk) {
      const int64_t count = std::min(kChunk, columns - first);
      edge::widen(row + first, wide, count);
      body(first, count);
    }
  };
  float most = -INFINITY, sum = 0;
  each([&](int64_t, int64_t count) { most = std::max(most, edge::largest_of(wide, count)); });
  each([&](int64_t, int64_t count) { sum += edge::exponential_sum(wide, most, count); });
  const float own = static_cast<float>(row[label]);
  // Of equal logits the first one is the prediction.
  const bool is_right = own == most && std::find(row, row + label, row[label]) == row + label;
  each([&](int64_t first, int64_t count) {
    edge::exponentials(wide, most, 1.0f / sum, shares, count);
    if (label >= first && label < first + count) shares[label - first] -= 1.0f;
    edge::narrow(shares, row + first, count);
  });
  return {most + std::log(sum) - own, is_right};
}

struct VocabularyLoss : torch::autograd::Function<VocabularyLoss> {
  static variable_list forward(AutogradContext *context, at::Tensor x, at::Tensor weight,
                               at::Tensor bias, at::Tensor labels, int64_t forward,
                               int64_t input_gradient, int64_t weight_gradient, int64_t stretch) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->saved_data["forward"] = forward;
    context->saved_data["input"] = input_gradient;
    context->saved_data["weight"] = weight_gradient;
    context->saved_data["stretch"] = stretch;
    const auto scalar = at::TensorOptions(at::kFloat).device(x.device());
    at::Tensor sum = at::zeros({}, scalar), right = at::zeros({}, scalar);
    at::Tensor kept = at::empty({0}, x.options());
    for (int64_t first = 0; first < x.size(0); first += stretch) {
      const int64_t count = std::min(stretch, x.size(0) - first);
      at::Tensor logits = product(x.narrow(0, first, count), weight, bias, forward).contiguous();
      const auto [part, hits] = learn(logits, labels.narrow(0, first, count));
      sum.add_(part);
      right.add_(hits);
      if (x.size(0) <= stretch) kept = logits;
    }
    context->save_for_backward({x, weight, bias, labels, kept});
    context->mark_non_differentiable({right});
    return {sum, right};
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &bias = saved[2], &labels = saved[3];
    const at::Tensor factor = gradients[0].to(x.scalar_type()), none;
    const int64_t stretch = context->saved_data["stretch"].toInt();
    const bool is_one = x.size(0) <= stretch;
    at::Tensor dx = at::empty_like(x), dw, db;
    for (int64_t first = 0; first < x.size(0); first += stretch) {
      const int64_t count = std::min(stretch, x.size(0) - first);
      const at::Tensor rows = x.narrow(0, first, count);
      at::Tensor g = saved[4];
      if (!is_one) {
        g = product(rows, weight, bias, context->saved_data["forward"].toInt()).contiguous();
        learn(g, labels.narrow(0, first, count));
      }
      g = g.mul(factor);
      dx.narrow(0, first, count)
          .copy_(product(g, weight.t(), none, context->saved_data["input"].toInt()));
      // Sums over several stretches are float32 in any precision.
      const auto add = [&](at::Tensor &total, const at::Tensor &part) {
        if (is_one) total = part;
        else if (!total.defined()) total = part.to(at::kFloat);
        else total.add_(part);
      };
      if (context->needs_input_grad(1))
        add(dw, product(g.t(), rows.t(), none, context->saved_data["weight"].toInt()));
      if (context->needs_input_grad(2)) add(db, g.sum({0}));
    }
    const auto as = [](const at::Tensor &t, const at::Tensor &like) {
      return t.defined() ? t.to(like.scalar_type()) : t;
    };
    return {dx, as(dw, weight), as(db, bias), none, none, none, none, none};
  }

  /// The sum of losses and the number of right rows; the logits become their gradients.
  static std::pair<at::Tensor, at::Tensor> learn(at::Tensor &logits, const at::Tensor &labels) {
    if (!logits.device().is_cpu()) return learn_elsewhere(logits, labels);
    const int64_t rows = logits.size(0), columns = logits.size(1);
    const int64_t *label = edge::read<int64_t>(labels);
    for (int64_t row = 0; row < rows; row++)
      TORCH_CHECK(label[row] >= 0 && label[row] < columns, "label ", label[row], " of row ", row,
                  " is outside a vocabulary of ", columns);
    std::vector<RowLoss> found(rows);
    const auto loop = [&](auto *all) {
      edge::parallel(rows, 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++)
          found[row] = learn_row(all + row * columns, columns, label[row]);
      });
    };
    logits.scalar_type() == at::kFloat ? loop(logits.mutable_data_ptr<float>())
                                       : loop(logits.mutable_data_ptr<at::BFloat16>());
    double sum = 0, right = 0;
    for (const RowLoss &row : found) {
      sum += row.loss;
      right += row.is_right;
    }
    const auto scalar = [](double value) {
      return at::full({}, value, at::TensorOptions(at::kFloat));
    };
    return {scalar(sum), scalar(right)};
  }

  /// The same by libtorch's operators.
  static std::pair<at::Tensor, at::Tensor> learn_elsewhere(at::Tensor &logits,
                                                           const at::Tensor &labels) {
    const at::Tensor wide = logits.to(at::kFloat), column = labels.unsqueeze(1);
    const at::Tensor total = at::logsumexp(wide, {1}, /*keepdim=*/true);
    const at::Tensor sum = total.sub(wide.gather(1, column)).sum();
    const at::Tensor right = wide.argmax(1).eq(labels).sum().to(at::kFloat);
    at::Tensor shares = at::exp(wide.sub(total));
    shares.scatter_add_(1, column, at::full_like(total, -1));
    logits = shares.to(logits.scalar_type());
    return {sum, right};
  }
};

}  // namespace

CTorchStatus ctorch_vocabulary_loss(
    CTorchTensor x, CTorchTensor weight, CTorchTensor bias, CTorchTensor labels, int32_t forward,
    int32_t input_gradient, int32_t weight_gradient, intptr_t rows_at_a_time, CTorchTensor *sum,
    CTorchTensor *right) {
  return guard([&] {
    const auto rows = borrow(x).contiguous(), w = borrow(weight), b = borrow(bias);
    const auto target = borrow(labels).contiguous();
    TORCH_CHECK(rows.dim() == 2 && w.dim() == 2 && rows.size(1) == w.size(1) && b.dim() == 1 &&
                    b.size(0) == w.size(0) && target.dim() == 1 &&
                    target.size(0) == rows.size(0) && target.scalar_type() == at::kLong,
                "a vocabulary's loss needs rows [N, D], a weight [V, D], a bias [V] and int64 "
                "labels [N], found ",
                rows.sizes(), ", ", w.sizes(), ", ", b.sizes(), " and ", target.sizes());
    TORCH_CHECK(rows_at_a_time > 0, "rows at a time must be at least 1, found ", rows_at_a_time);
    TORCH_CHECK(rows.scalar_type() == w.scalar_type() &&
                    (rows.scalar_type() == at::kFloat || rows.scalar_type() == at::kBFloat16),
                "a vocabulary's loss takes float32 or bfloat16, found ", rows.scalar_type(),
                " and ", w.scalar_type());
    const auto results = VocabularyLoss::apply(rows, w, b, target, forward, input_gradient,
                                               weight_gradient, rows_at_a_time);
    *sum = give(results[0]);
    *right = give(results[1]);
  });
}
