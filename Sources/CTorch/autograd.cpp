// The autograd engine: leaves, gradients, backward, and recomputation of a layer.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "edge.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

std::vector<at::Tensor> borrow_all(const CTorchTensor *handles, intptr_t count) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(count);
  for (intptr_t i = 0; i < count; i++) tensors.push_back(borrow(handles[i]));
  return tensors;
}

/// Owns a Swift closure; freed with the last graph node that may call it.
struct Closure : torch::CustomClassHolder {
  void *context;
  CTorchBody body;
  void (*release)(void *);
  Closure(void *context, CTorchBody body, void (*release)(void *))
      : context(context), body(body), release(release) {}
  ~Closure() override { release(context); }

  at::Tensor call(const at::Tensor &input) const {
    CTorchTensor argument = give(input);
    CTorchTensor output{nullptr};
    const CTorchStatus status = body(context, argument, &output);
    ctorch_tensor_free(argument);
    TORCH_CHECK(status == CTorchStatusOK, ctorch_last_message());
    at::Tensor tensor = borrow(output);
    ctorch_tensor_free(output);
    return tensor;
  }
};

struct Recompute : torch::autograd::Function<Recompute> {
  // `anchor` always needs a gradient, so that a layer whose input does not (frozen embeddings)
  // still reaches its own parameters.
  static at::Tensor forward(AutogradContext *context, at::Tensor input, at::Tensor anchor,
                            c10::intrusive_ptr<Closure> closure) {
    context->save_for_backward({input});
    context->saved_data["closure"] =
        c10::IValue::make_capsule(c10::intrusive_ptr<torch::CustomClassHolder>(closure));
    at::AutoGradMode off(false);
    return closure->call(input);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto holder = context->saved_data["closure"].toCapsule();
    const auto *closure = static_cast<const Closure *>(holder.get());
    const at::Tensor saved = context->get_saved_variables()[0];
    at::AutoGradMode on(true);
    at::Tensor input = saved.detach();
    input.requires_grad_(saved.requires_grad());
    const at::Tensor output = closure->call(input);
    torch::autograd::backward({output}, {gradients[0]});
    return {input.requires_grad() ? input.grad() : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

CTorchStatus ctorch_tensor_set_requires_grad(CTorchTensor tensor, bool value) {
  return guard([&] { borrow(tensor).requires_grad_(value); });
}

bool ctorch_tensor_requires_grad(CTorchTensor tensor) {
  bool value = false;
  guard([&] { value = borrow(tensor).requires_grad(); });
  return value;
}

CTorchStatus ctorch_tensor_grad(CTorchTensor tensor, CTorchTensor *result) {
  return guard([&] { *result = give(borrow(tensor).grad()); });
}

CTorchStatus ctorch_tensor_set_grad(CTorchTensor tensor, CTorchTensor grad) {
  return guard([&] { borrow(tensor).mutable_grad() = borrow(grad); });
}

CTorchStatus ctorch_backward(
    const CTorchTensor *roots, const CTorchTensor *gradients, intptr_t count) {
  return guard([&] {
    torch::autograd::backward(borrow_all(roots, count), borrow_all(gradients, count));
  });
}

CTorchStatus ctorch_gradients(
    CTorchTensor root, const CTorchTensor *inputs, intptr_t count, CTorchTensor *results) {
  return guard([&] {
    const auto gradients =
        torch::autograd::grad({borrow(root)}, borrow_all(inputs, count), {}, std::nullopt,
                              /*create_graph=*/false, /*allow_unused=*/true);
    for (intptr_t i = 0; i < count; i++) results[i] = give(gradients[i]);
  });
}

bool ctorch_grad_mode(void) { return at::GradMode::is_enabled(); }
void ctorch_set_grad_mode(bool enabled) { at::GradMode::set_enabled(enabled); }

CTorchStatus ctorch_recompute(
    CTorchTensor input, void *context, CTorchBody body, void (*release)(void *),
    CTorchTensor *result) {
  return guard([&] {
    auto closure = c10::make_intrusive<Closure>(context, body, release);
    auto anchor = at::zeros({1}, at::TensorOptions(borrow(input).device())).requires_grad_(true);
    *result = give(Recompute::apply(borrow(input), anchor, closure));
  });
}
