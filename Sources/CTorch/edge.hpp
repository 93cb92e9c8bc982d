// What every file behind the C header shares: handles, the guard that turns exceptions into a
// status, and integer mixing for stateless random bits.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <initializer_list>
#include <string>

#include "CTorch.h"

namespace edge {

void set_message(const char *message) noexcept;

/// A tensor that shares the handle's object.
inline at::Tensor borrow(CTorchTensor handle) {
  if (!handle.pointer) return at::Tensor();
  return at::Tensor(c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(
      static_cast<c10::TensorImpl *>(handle.pointer)));
}

/// A handle that owns the tensor.
inline CTorchTensor give(at::Tensor tensor) {
  if (!tensor.defined()) return CTorchTensor{nullptr};
  return CTorchTensor{tensor.unsafeReleaseTensorImpl()};
}

/// Our own loops read memory: a tensor elsewhere is refused, where its address would end the process.
inline void need_cpu(std::initializer_list<at::Tensor> tensors) {
  for (const at::Tensor &tensor : tensors)
    TORCH_CHECK(!tensor.defined() || tensor.device().is_cpu(),
                "this kernel works on the processor, the tensor lies on ", tensor.device());
}

/// The elements of a tensor, to be read. (The typed accessor's symbol has another name in libtorch
/// 2.11, which another compiler built.)
template <typename T>
const T *read(const at::Tensor &tensor) {
  return static_cast<const T *>(tensor.const_data_ptr());
}

template <typename Body>
CTorchStatus guard(Body body) noexcept {
  try {
    body();
    return CTorchStatusOK;
  } catch (const c10::OutOfMemoryError &error) {
    set_message(error.what_without_backtrace());
    return CTorchStatusOutOfMemory;
  } catch (const c10::Error &error) {
    set_message(error.what_without_backtrace());
    const std::string text = error.what_without_backtrace();
    const bool memory = text.find("DefaultCPUAllocator") != std::string::npos;
    return memory ? CTorchStatusOutOfMemory : CTorchStatusInvalid;
  } catch (const std::bad_alloc &) {
    set_message("not enough memory");
    return CTorchStatusOutOfMemory;
  } catch (const std::exception &error) {
    set_message(error.what());
    return CTorchStatusInternal;
  } catch (...) {
    set_message("an unknown C++ exception");
    return CTorchStatusInternal;
  }
}

/// A 64-bit finaliser (the SplitMix64 constants, Steele et al. 2014).
inline uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

/// What a row's dropout bits are drawn from, at one place of the model in one step.
inline uint64_t row_key(int64_t key, uint64_t seed) {
  return mix(static_cast<uint64_t>(key) ^ seed);
}

/// From now on large tensors lie in memory that is mapped once and kept (allocator.cpp).
void keep_memory();

/// Makes the next random bits that libtorch draws on a device a function of the seed alone; the host
/// does not wait for the device.
void seed_device(const at::Device &device, uint64_t seed);

/// Scales each row of the last dimension by 0 or 1/(1−p); row r draws from `keys[r]` and `seed`.
/// In place allowed.
void drop_rows(const at::Tensor &input, at::Tensor &output, const int64_t *keys,
               double probability, uint64_t seed);

}  // namespace edge
