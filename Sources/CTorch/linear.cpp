// Linear layers over oneDNN's kernels, forward and backward.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/stack.h>
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include "edge.hpp"
#include "linear.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using edge::product;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

/// oneDNN's product, and what it does to the result before it writes it: "none" or "gelu".
at::Tensor onednn_linear(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                         std::string_view then = "none") {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
          .typed<at::Tensor(const at::Tensor &, const at::Tensor &,
                            const std::optional<at::Tensor> &, std::string_view,
                            c10::List<std::optional<at::Scalar>>,
                            std::optional<std::string_view>)>();
  // The algorithm "none" of GELU is the exact one.
  return op.call(x, weight, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt, then,
                 c10::List<std::optional<at::Scalar>>(), then == "gelu" ? "none" : "");
}

}  // namespace

at::Tensor edge::product(const at::Tensor &a, const at::Tensor &b, const at::Tensor &bias,
                         int64_t kernel) {
  switch (kernel) {
    case 1:
    case 3: return onednn_linear(a, b, bias);
    case 2: {
      const at::Tensor result = onednn_linear(b, a, at::Tensor()).t();
      return bias.defined() ? at::add(result, bias) : result;
    }
    default: return at::linear(a, b, bias.defined() ? std::optional<at::Tensor>(bias)
                                                    : std::nullopt);
  }
}

namespace {

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext *context, at::Tensor x, at::Tensor weight,
                            at::Tensor bias, int64_t forward, int64_t input_gradient,
                            int64_t weight_gradient) {
    context->save_for_backward({x, weight});
    context->saved_data["input"] = input_gradient;
    context->saved_data["weight"] = weight_gradient;
    at::AutoDispatchBelowADInplaceOrView below;
    // Autograd functions take defined tensors only: an empty bias stands for none.
    return product(x, weight, bias.numel() == 0 ? at::Tensor() : bias, forward).contiguous();
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor g = gradients[0].contiguous();
    const at::Tensor none;
    at::AutoDispatchBelowADInplaceOrView below;
    at::Tensor dx, dw, db;
    if (context->needs_input_grad(0))
      dx = product(g, weight.t(), none, context->saved_data["input"].toInt());
    if (context->needs_input_grad(1))
      dw = product(g.t(), x.t(), none, context->saved_data["weight"].toInt());
    if (context->needs_input_grad(2)) db = g.sum({0});
    return {dx, dw, db, none, none, none};
  }
};

}  // namespace

CTorchStatus ctorch_linear(
    CTorchTensor x, CTorchTensor weight, CTorchTensor bias, int32_t forward,
    int32_t input_gradient, int32_t weight_gradient, CTorchTensor *result) {
  return guard([&] {
    const auto input = borrow(x), w = borrow(weight), b = borrow(bias);
    TORCH_CHECK(input.device().is_cpu() || forward + input_gradient + weight_gradient == 0,
                "oneDNN works on the processor, the rows lie on ", input.device());
    const bool is_plain = forward == 0 && input_gradient == 0 && weight_gradient == 0;
    if (is_plain || input.dim() != 2 || input.size(0) == 0) {
      *result = give(
          at::linear(input, w, b.defined() ? std::optional<at::Tensor>(b) : std::nullopt));
      return;
    }
    const auto none = at::empty({0}, w.options().requires_grad(false));
    *result = give(Linear::apply(input, w, b.defined() ? b : none, forward, input_gradient,
                                 weight_gradient));
  });
}

CTorchStatus ctorch_linear_gelu(
    CTorchTensor x, CTorchTensor weight, CTorchTensor bias, CTorchTensor *result) {
  return guard([&] {
    edge::need_cpu({borrow(x)});
    TORCH_CHECK(!at::GradMode::is_enabled(), "this product with GELU has no gradient");
    *result = give(onednn_linear(borrow(x), borrow(weight), borrow(bias), "gelu"));
  });
}

CTorchStatus ctorch_linear_prepack(CTorchTensor weight, intptr_t rows, CTorchTensor *result) {
  return guard([&] {
    static const auto op = c10::Dispatcher::singleton().findSchemaOrThrow(
        "mkldnn::_reorder_linear_weight", "");
    torch::jit::Stack stack{borrow(weight).detach(), c10::IValue(static_cast<int64_t>(rows))};
    op.callBoxed(stack);
    *result = give(stack.at(0).toTensor());
  });
}
