// A few numbers on their way from a device to the host: the copy is asked for when they are known
// and waited for when somebody reads them, so that the device never stands still in between.
#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

#include "edge.hpp"

using edge::borrow;
using edge::guard;

namespace {

struct Readout {
  at::Tensor host;
  std::optional<c10::Event> arrival;
};

}  // namespace

CTorchStatus ctorch_readout_start(CTorchTensor values, CTorchReadout *result) {
  return guard([&] {
    const auto source = borrow(values).detach().contiguous();
    TORCH_CHECK(source.scalar_type() == at::kFloat, "float32 numbers are read, found ",
                source.scalar_type());
    auto readout = std::make_unique<Readout>();
    if (!source.is_cpu()) {
      readout->host = at::empty(source.sizes(), at::TensorOptions(at::kFloat).pinned_memory(true));
      readout->host.copy_(source, /*non_blocking=*/true);
      const c10::impl::VirtualGuardImpl device(source.device().type());
      readout->arrival.emplace(source.device().type());
      readout->arrival->record(device.getStream(source.device()));
    } else {
      readout->host = source.to(at::kCPU);
    }
    *result = CTorchReadout{readout.release()};
  });
}

CTorchStatus ctorch_readout_wait(CTorchReadout readout, float *values, intptr_t count) {
  return guard([&] {
    const auto *pending = static_cast<const Readout *>(readout.pointer);
    if (pending->arrival) pending->arrival->synchronize();
    TORCH_CHECK(pending->host.numel() == count, pending->host.numel(), " numbers are on their way, ",
                count, " were asked for");
    if (count > 0) std::copy_n(edge::read<float>(pending->host), count, values);
  });
}

void ctorch_readout_free(CTorchReadout readout) { delete static_cast<Readout *>(readout.pointer); }
