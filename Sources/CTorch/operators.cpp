// Operators through libtorch's dispatcher: find once, call boxed.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/stack.h>

#include <cstring>
#include <sstream>

#include "edge.hpp"

using edge::borrow;
using edge::give;
using edge::guard;

namespace {

thread_local std::string last_message;

c10::IValue value_of(const CTorchValue &value, const intptr_t *integers) {
  switch (value.kind) {
    case CTorchKindNone:
      return c10::IValue();
    case CTorchKindTensor:
      return borrow(CTorchTensor{const_cast<void *>(value.pointer)});
    case CTorchKindInteger:
      return static_cast<int64_t>(value.integer);
    case CTorchKindReal:
      return value.real;
    case CTorchKindBoolean:
      return value.integer != 0;
    case CTorchKindIntegers: {
      c10::List<int64_t> list;
      list.reserve(value.count);
      for (intptr_t i = 0; i < value.count; i++) list.push_back(integers[value.integer + i]);
      return list;
    }
    case CTorchKindBooleans: {
      c10::List<bool> list;
      for (intptr_t i = 0; i < value.count; i++) list.push_back(integers[value.integer + i] != 0);
      return list;
    }
    case CTorchKindTensors: {
      c10::List<at::Tensor> list;
      list.reserve(value.count);
      for (intptr_t i = 0; i < value.count; i++)
        list.push_back(borrow(CTorchTensor{reinterpret_cast<void *>(integers[value.integer + i])}));
      return list;
    }
    case CTorchKindOptionalTensors: {
      c10::List<std::optional<at::Tensor>> list;
      for (intptr_t i = 0; i < value.count; i++) {
        auto tensor = borrow(CTorchTensor{reinterpret_cast<void *>(integers[value.integer + i])});
        list.push_back(tensor.defined() ? std::optional<at::Tensor>(tensor) : std::nullopt);
      }
      return list;
    }
    case CTorchKindString:
      return std::string(static_cast<const char *>(value.pointer), value.count);
    case CTorchKindDevice:
      return c10::Device(static_cast<c10::DeviceType>(value.integer),
                         static_cast<c10::DeviceIndex>(value.count));
  }
  TORCH_CHECK(false, "an argument of unknown kind ", static_cast<int>(value.kind));
}

}  // namespace

void edge::set_message(const char *message) noexcept {
  try {
    last_message = message;
  } catch (...) {
    last_message.clear();
  }
}

const char *ctorch_last_message(void) { return last_message.c_str(); }
void ctorch_set_message(const char *message) { edge::set_message(message); }

CTorchStatus ctorch_operator_find(const char *name, const char *overload, CTorchOperator *result) {
  return guard([&] {
    auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
    TORCH_CHECK(handle.has_value(), "this libtorch has no operator ", name, ".", overload);
    // Handles live as long as the process: operators are looked up once each and never removed.
    *result = CTorchOperator{new c10::OperatorHandle(*handle)};
  });
}

CTorchStatus ctorch_operator_schema(CTorchOperator op, char *buffer, intptr_t capacity) {
  return guard([&] {
    std::ostringstream text;
    text << static_cast<const c10::OperatorHandle *>(op.pointer)->schema();
    std::strncpy(buffer, text.str().c_str(), capacity - 1);
    buffer[capacity - 1] = 0;
  });
}

CTorchStatus ctorch_operator_call(
    CTorchOperator op, const CTorchValue *arguments, intptr_t count, const intptr_t *integers,
    CTorchTensor *results, intptr_t capacity, intptr_t *result_count) {
  return guard([&] {
    const auto &handle = *static_cast<const c10::OperatorHandle *>(op.pointer);
    const auto &declared = handle.schema().arguments();
    TORCH_CHECK(count <= static_cast<intptr_t>(declared.size()), handle.schema().name(), " takes ",
                declared.size(), " arguments, ", count, " were given");
    torch::jit::Stack stack;
    stack.reserve(declared.size());
    for (intptr_t i = 0; i < count; i++) stack.push_back(value_of(arguments[i], integers));
    for (size_t i = count; i < declared.size(); i++) {
      const auto &missing = declared[i].default_value();
      TORCH_CHECK(missing.has_value(), handle.schema().name(), " needs the argument '",
                  declared[i].name(), "'");
      stack.push_back(*missing);
    }
    handle.callBoxed(stack);
    intptr_t written = 0;
    const auto put = [&](const at::Tensor &tensor) {
      TORCH_CHECK(written < capacity, handle.schema().name(), " returned more than ", capacity,
                  " tensors");
      results[written++] = give(tensor);
    };
    for (const auto &value : stack) {
      if (value.isTensor()) {
        put(value.toTensor());
      } else if (value.isTensorList()) {
        for (const at::Tensor &tensor : value.toTensorVector()) put(tensor);
      }
    }
    *result_count = written;
  });
}
