// Tensors from and to memory, and what can be asked of one.
#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>
#include <malloc.h>
#include <torch/version.h>

#include <climits>
#include <cstring>

#include "edge.hpp"

static_assert(TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 11 && TORCH_VERSION_MINOR <= 15,
              "Tandem needs libtorch 2.11 to 2.15; name one with LIBTORCH=/path/to/libtorch");

using edge::borrow;
using edge::give;
using edge::guard;

namespace {

std::vector<int64_t> sizes_of(const intptr_t *shape, intptr_t rank) {
  return std::vector<int64_t>(shape, shape + rank);
}

c10::TensorImpl *impl(CTorchTensor handle) {
  return static_cast<c10::TensorImpl *>(handle.pointer);
}

}  // namespace

void ctorch_tensor_free(CTorchTensor tensor) {
  if (!tensor.pointer) return;
  auto owner = c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::reclaim(impl(tensor));
  owner.reset();
}

CTorchTensor ctorch_tensor_retain(CTorchTensor tensor) { return give(borrow(tensor)); }

CTorchStatus ctorch_tensor_from_bytes(
    const void *bytes, const intptr_t *shape, intptr_t rank, int32_t dtype, CTorchTensor *result) {
  return guard([&] {
    auto tensor = at::empty(sizes_of(shape, rank), static_cast<at::ScalarType>(dtype));
    if (tensor.nbytes() > 0) std::memcpy(tensor.mutable_data_ptr(), bytes, tensor.nbytes());
    *result = give(tensor);
  });
}

CTorchStatus ctorch_tensor_over_memory(
    void *memory, const intptr_t *shape, intptr_t rank, int32_t dtype, void *context,
    void (*release)(void *), CTorchTensor *result) {
  return guard([&] {
    auto tensor = at::from_blob(
        memory, sizes_of(shape, rank), [context, release](void *) { release(context); },
        static_cast<at::ScalarType>(dtype));
    *result = give(tensor);
  });
}

CTorchStatus ctorch_tensor_to_bytes(CTorchTensor tensor, void *bytes, intptr_t byte_count) {
  return guard([&] {
    const auto source = borrow(tensor).detach().to(at::kCPU).contiguous();
    TORCH_CHECK(static_cast<intptr_t>(source.nbytes()) == byte_count, "the tensor holds ",
                source.nbytes(), " bytes, ", byte_count, " were asked for");
    if (byte_count > 0) std::memcpy(bytes, source.const_data_ptr(), byte_count);
  });
}

intptr_t ctorch_tensor_rank(CTorchTensor tensor) { return impl(tensor)->dim(); }
intptr_t ctorch_tensor_size(CTorchTensor tensor, intptr_t dimension) {
  return impl(tensor)->sizes()[dimension];
}
int32_t ctorch_tensor_dtype(CTorchTensor tensor) {
  return static_cast<int32_t>(c10::typeMetaToScalarType(impl(tensor)->dtype()));
}
int32_t ctorch_tensor_device_type(CTorchTensor tensor) {
  return static_cast<int32_t>(impl(tensor)->device_type());
}
int32_t ctorch_tensor_device_index(CTorchTensor tensor) {
  return static_cast<int32_t>(impl(tensor)->device().index());
}
bool ctorch_tensor_is_contiguous(CTorchTensor tensor) { return impl(tensor)->is_contiguous(); }
void *ctorch_tensor_data(CTorchTensor tensor) {
  return impl(tensor)->device_type() == c10::DeviceType::CPU ? impl(tensor)->mutable_data()
                                                             : nullptr;
}

CTorchStatus ctorch_configure(int32_t threads) {
  return guard([&] {
    TORCH_CHECK(threads > 0, "threads must be at least 1, found ", threads);
    at::set_num_threads(threads);
    edge::keep_memory();
    // What oneDNN lays out for itself comes from glibc, which returns blocks over 128 KiB to the
    // system: each step would fault them in again, page by page. Keep them.
    mallopt(M_MMAP_THRESHOLD, INT_MAX);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    mallopt(M_TOP_PAD, 64 << 20);
  });
}

int32_t ctorch_thread_count(void) { return at::get_num_threads(); }
const char *ctorch_version(void) { return TORCH_VERSION; }

const char *ctorch_cpu_capability(void) {
  static const std::string text = at::get_cpu_capability();
  return text.c_str();
}

CTorchStatus ctorch_device_wait(int32_t device_type, int32_t device_index) {
  return guard([&] {
    const auto type = static_cast<c10::DeviceType>(device_type);
    if (type == c10::DeviceType::CPU) return;
    c10::impl::VirtualGuardImpl(type).synchronizeDevice(
        static_cast<c10::DeviceIndex>(device_index));
  });
}

CTorchStatus ctorch_device_peak(
    int32_t device_type, int32_t device_index, intptr_t *used, intptr_t *held) {
  return guard([&] {
    *used = *held = 0;
    if (device_type != static_cast<int32_t>(c10::DeviceType::CUDA)) return;
    const auto statistics = c10::getDeviceAllocator(c10::DeviceType::CUDA)
                                ->getDeviceStats(static_cast<c10::DeviceIndex>(device_index));
    *used = statistics.allocated_bytes[0].peak;
    *held = statistics.reserved_bytes[0].peak;
  });
}

bool ctorch_cuda_available(void) {
  bool available = false;
  guard([&] {
    static void *const library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
    available = library != nullptr && at::globalContext().hasCUDA();
  });
  return available;
}
