// Counts the multiplications and additions of this thread's matrix products, whoever asks for them,
// backward passes included (they run on the thread that starts them), by watching libtorch's own
// calls. Nothing is watched, and nothing costs, outside a count.
#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

#include <cstring>
#include <memory>

#include "edge.hpp"

using edge::guard;

namespace {

thread_local double counted = 0;

/// The last operators before a kernel, of which others are made, and where their two factors are
/// among the arguments.
struct Product {
  const char *name;
  size_t first;
  /// The second factor is [n, k] and not [k, n].
  bool is_linear;
};
constexpr Product products[] = {
    {"aten::mm", 0, false},     {"aten::bmm", 0, false},
    {"aten::addmm", 1, false},  {"aten::baddbmm", 1, false},
    {"mkldnn::_linear_pointwise", 0, true},
};

double operations(const at::RecordFunction &call) {
  for (const Product &product : products) {
    if (std::strcmp(product.name, call.name())) continue;
    // Only here: other calls may come without their arguments.
    const auto inputs = call.inputs();
    if (inputs.size() < product.first + 2) return 0;
    const at::Tensor a = inputs[product.first].toTensor(), b = inputs[product.first + 1].toTensor();
    return 2.0 * static_cast<double>(a.numel()) *
           static_cast<double>(b.size(product.is_linear ? 0 : -1));
  }
  return 0;
}

std::unique_ptr<at::ObserverContext> watch(const at::RecordFunction &call) {
  counted += operations(call);
  return nullptr;
}

thread_local at::CallbackHandle handle = at::INVALID_CALLBACK_HANDLE;

}  // namespace

CTorchStatus ctorch_count_operations(void) {
  return guard([&] {
    TORCH_CHECK(handle == at::INVALID_CALLBACK_HANDLE, "operations are being counted already");
    counted = 0;
    handle = at::addThreadLocalCallback(
        at::RecordFunctionCallback(watch).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  });
}

double ctorch_counted_operations(void) {
  if (handle != at::INVALID_CALLBACK_HANDLE) at::removeCallback(handle);
  handle = at::INVALID_CALLBACK_HANDLE;
  return counted;
}
