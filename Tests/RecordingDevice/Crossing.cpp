// The processor's kernels for the device: a boxed fallback that aliases memory instead of copying,
// and the few operators that cannot go that way.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <c10/core/CPUAllocator.h>

#include <unordered_set>

#include "Internal.hpp"

namespace recording {

namespace {

/// The same memory as a storage of another device; the owner lives as long as it.
c10::DataPtr share(const c10::Storage &owner, c10::Device on) {
  return c10::DataPtr(owner.mutable_data(), new c10::Storage(owner),
                      [](void *context) { delete static_cast<c10::Storage *>(context); }, on);
}

c10::Storage storage_over(const c10::Storage &owner, c10::Device on) {
  return c10::Storage(c10::Storage::use_byte_size_t(), owner.nbytes(), share(owner, on),
                      c10::GetAllocator(on.type()), /*resizable=*/true);
}

at::Tensor tensor_over(c10::Storage storage, c10::DispatchKey key, const at::Tensor &like) {
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(
      std::move(storage), c10::DispatchKeySet(key), like.dtype());
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(like.sizes(), like.strides(),
                                                      like.storage_offset());
  return tensor;
}

bool same_geometry(const at::Tensor &a, const at::Tensor &b) {
  return a.sizes() == b.sizes() && a.strides() == b.strides() &&
         a.storage_offset() == b.storage_offset();
}

bool is_on_device(const at::Tensor &tensor) {
  return tensor.defined() && tensor.device().is_privateuseone();
}

}  // namespace

c10::Storage Crossing::host_storage(const c10::Storage &storage) {
  const auto *key = storage.unsafeGetStorageImpl();
  const auto known = host_of_.find(key);
  if (known != host_of_.end()) return known->second;
  auto host = storage_over(storage, c10::kCPU);
  host_of_.emplace(key, host);
  device_of_.emplace(host.unsafeGetStorageImpl(), storage);
  return host;
}

c10::Storage Crossing::device_storage(const c10::Storage &storage) {
  const auto *key = storage.unsafeGetStorageImpl();
  const auto known = device_of_.find(key);
  if (known != device_of_.end()) return known->second;
  auto ours = storage_over(storage, device);
  device_of_.emplace(key, ours);
  return ours;
}

at::Tensor Crossing::in(const at::Tensor &tensor) {
  if (!tensor.defined()) return tensor;
  if (!is_on_device(tensor)) {
    originals_.emplace(tensor.unsafeGetTensorImpl(), tensor);
    return tensor;
  }
  auto host = tensor_over(host_storage(tensor.storage()), c10::DispatchKey::CPU, tensor);
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number())
    host.unsafeGetTensorImpl()->set_wrapped_number(true);
  originals_.emplace(host.unsafeGetTensorImpl(), tensor);
  arguments_.push_back({tensor, host});
  return host;
}

// On a GPU a number from the host goes along as an argument of the kernel; anything larger would
// have to be copied. The fused optimizer reads all its scalars but the rate on the device.
void Crossing::need_device(const at::Tensor &tensor, const c10::Argument &argument) const {
  if (!tensor.defined() || is_on_device(tensor)) return;
  const bool is_fused = schema_->name().rfind("aten::_fused_", 0) == 0 && argument.name() != "lr";
  const bool is_number = tensor.dim() == 0 && !is_fused;
  TORCH_CHECK(is_number, "Expected all tensors to be on the same device, but found at least two "
              "devices, ", device, " and ", tensor.device(), " (argument '", argument.name(),
              "' of ", schema_->name(), ")");
}

c10::IValue Crossing::in(const c10::IValue &value, const c10::Argument &argument) {
  if (value.isTensor()) {
    need_device(value.toTensor(), argument);
    return in(value.toTensor());
  }
  if (value.isTensorList()) {
    c10::List<at::Tensor> list;
    for (const at::Tensor &tensor : value.toTensorVector()) {
      need_device(tensor, argument);
      list.push_back(in(tensor));
    }
    return list;
  }
  if (value.isOptionalTensorList()) {
    // Indices, which libtorch also accepts from the host.
    c10::List<std::optional<at::Tensor>> list;
    for (const std::optional<at::Tensor> &tensor : value.toOptionalTensorVector())
      list.push_back(tensor ? std::optional(in(*tensor)) : std::nullopt);
    return list;
  }
  if (value.isDevice() && value.toDevice().is_privateuseone()) return c10::Device(c10::kCPU);
  if (value.isGenerator()) return lend(value.toGenerator());
  if (value.isNone() && argument.type()->str() == "Generator?") return lend(default_generator());
  return value;
}

at::Generator Crossing::lend(const at::Generator &generator) {
  TORCH_CHECK(generator.device() == device, "Expected a '", device,
              "' generator, but found one of ", generator.device());
  TORCH_CHECK(!lender_.defined(), "a call takes one generator");
  lender_ = generator;
  lock_ = std::unique_lock<std::mutex>(lender_.mutex());
  loan_ = at::detail::createCPUGenerator();
  loan_.set_state(lender_.get_state());
  return loan_;
}

void Crossing::settle() {
  for (auto &[ours, host] : arguments_) {
    const c10::Storage &storage = host.storage();
    const auto known = device_of_.find(storage.unsafeGetStorageImpl());
    if (known == device_of_.end()) {
      ours.unsafeGetTensorImpl()->set_storage_keep_dtype(device_storage(storage));
    } else if (known->second.data() != storage.data() ||
               known->second.nbytes() != storage.nbytes()) {
      auto *resized = known->second.unsafeGetStorageImpl();
      resized->set_data_ptr_noswap(share(storage, device));
      resized->set_nbytes(storage.nbytes());
    }
    if (!same_geometry(ours, host))
      ours.unsafeGetTensorImpl()->set_sizes_and_strides(host.sizes(), host.strides(),
                                                        host.storage_offset());
  }
  if (lender_.defined()) lender_.set_state(loan_.get_state());
}

at::Tensor Crossing::out(const at::Tensor &tensor) {
  if (!tensor.defined()) return tensor;
  const auto original = originals_.find(tensor.unsafeGetTensorImpl());
  if (original != originals_.end()) return original->second;
  return tensor_over(device_storage(tensor.storage()), c10::DispatchKey::PrivateUse1, tensor);
}

c10::IValue Crossing::out(const c10::IValue &value) {
  if (value.isTensor()) return out(value.toTensor());
  if (!value.isTensorList()) return value;
  c10::List<at::Tensor> list;
  for (const at::Tensor &tensor : value.toTensorVector()) list.push_back(out(tensor));
  return list;
}

namespace {

bool is_mask(const at::Tensor &index) {
  return index.defined() && (index.scalar_type() == at::kBool || index.scalar_type() == at::kByte);
}

/// Whether a GPU would stop here until the host knows values: a number for the host itself, or the
/// shape of the result.
bool reads_values(const c10::FunctionSchema &schema, c10::ArrayRef<c10::IValue> arguments) {
  static const std::unordered_set<std::string> always = {
      "aten::_local_scalar_dense", "aten::equal", "aten::nonzero", "aten::masked_select",
      "aten::_unique", "aten::_unique2", "aten::unique_dim", "aten::unique_consecutive",
      "aten::unique_dim_consecutive", "aten::bincount"};
  if (always.count(schema.name())) return true;
  if (schema.name() == "aten::repeat_interleave")
    return arguments[0].isTensor() && arguments[1].isNone();
  // A single value goes through a mask as masked_fill; several have to be counted.
  if (schema.name() == "aten::_index_put_impl_" || schema.name() == "aten::index_put_") {
    const bool is_fill = arguments[2].toTensor().numel() == 1 && !arguments[3].toBool();
    for (const auto &index : arguments[1].toOptionalTensorVector())
      if (index && is_mask(*index) && !is_fill) return true;
  }
  return false;
}

/// Whatever copies between devices or on the device ends here.
at::Tensor copy_from(const at::Tensor &source, const at::Tensor &target, bool non_blocking) {
  note_operator();
  if (!is_on_device(target)) {
    const bool goes_on = non_blocking && is_pinned(target.const_data_ptr());
    note_host_read(goes_on ? "aten::_copy_from non_blocking" : "aten::_copy_from");
  }
  Crossing crossing;
  const auto host_source = crossing.in(source);
  const auto host_target = crossing.in(target);
  at::AutoDispatchBelowADInplaceOrView below;
  host_target.copy_(host_source);
  return target;
}

/// The processor's kernel draws from the processor's generator, whichever it is given.
std::tuple<at::Tensor, at::Tensor> native_dropout(const at::Tensor &input, double p,
                                                  std::optional<bool> train) {
  TORCH_CHECK(p >= 0 && p <= 1, "a dropout probability lies between 0 and 1, found ", p);
  note_operator();
  Crossing crossing;
  const auto host = crossing.in(input);
  at::AutoDispatchBelowADInplaceOrView below;
  auto mask = at::ones_like(host, host.options().dtype(at::kBool));
  auto output = host.clone();
  if (train.value_or(true)) {
    mask.bernoulli_(1 - p, crossing.lend(default_generator()));
    output = host.mul(mask).mul_(p == 1 ? 0.0 : 1 / (1 - p));
  }
  crossing.settle();
  return {crossing.out(output), crossing.out(mask)};
}

}  // namespace

void run_on_host(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const auto &schema = op.schema();
  const size_t count = schema.arguments().size();
  note_operator();
  if (reads_values(schema, torch::jit::last(*stack, count))) note_host_read(schema.name());
  Crossing crossing(&schema);
  const size_t base = stack->size() - count;
  for (size_t i = 0; i < count; i++)
    (*stack)[base + i] = crossing.in((*stack)[base + i], schema.arguments()[i]);
  {
    at::AutoDispatchBelowADInplaceOrView below;
    op.callBoxed(stack);
  }
  crossing.settle();
  for (size_t i = base; i < stack->size(); i++) (*stack)[i] = crossing.out((*stack)[i]);
}

void register_operators(torch::Library &library) {
  library.impl("_copy_from", copy_from);
  library.impl("native_dropout", native_dropout);
  // Without this, libtorch would put it together from a batch norm, which no GPU does.
  library.impl("native_layer_norm", torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

}  // namespace recording
