// What the files of the recording device share: the record, and the way of a call's tensors from
// the device to the processor's kernels and back.
#pragma once
#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <torch/library.h>

#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

namespace recording {

/// The only device there is.
inline const c10::Device device(c10::DeviceType::PrivateUse1, 0);

/// One more operator ran.
void note_operator();
/// An operator made the host wait for values.
void note_host_read(const std::string &name);

/// The device's own generator, which its random operators draw from.
const at::Generator &default_generator();
bool is_pinned(const void *pointer);

/// One call on its way: tensors of the device become the processor's over the same memory, and what
/// the processor's kernel returns becomes the device's.
///
/// Arguments that share a storage share it on both sides, so that kernels see overlap and a result
/// that lies in an argument's memory comes back as a view of that argument.
class Crossing {
 public:
  explicit Crossing(const c10::FunctionSchema *schema = nullptr) : schema_(schema) {}

  /// A tensor of the processor's passes unchanged.
  at::Tensor in(const at::Tensor &tensor);
  /// Any argument. A tensor with dimensions that is not on the device is refused.
  c10::IValue in(const c10::IValue &value, const c10::Argument &argument);
  /// Hands the state of a generator of the device to one that the processor's kernels accept.
  at::Generator lend(const at::Generator &generator);
  /// To be called after the kernel: arguments that it resized are resized on the device too, and a
  /// lent generator's state comes back.
  void settle();
  at::Tensor out(const at::Tensor &tensor);
  c10::IValue out(const c10::IValue &value);

 private:
  struct Argument {
    at::Tensor device, host;
  };
  c10::Storage host_storage(const c10::Storage &storage);
  c10::Storage device_storage(const c10::Storage &storage);
  void need_device(const at::Tensor &tensor, const c10::Argument &argument) const;

  const c10::FunctionSchema *schema_;
  std::vector<Argument> arguments_;
  std::unordered_map<const c10::TensorImpl *, at::Tensor> originals_;
  std::unordered_map<const c10::StorageImpl *, c10::Storage> host_of_, device_of_;
  at::Generator lender_, loan_;
  std::unique_lock<std::mutex> lock_;
};

/// Runs any operator with the processor's kernel.
void run_on_host(const c10::OperatorHandle &op, torch::jit::Stack *stack);

void register_operators(torch::Library &library);
void register_attention(torch::Library &library);

}  // namespace recording
