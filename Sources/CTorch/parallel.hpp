// Loops of our own on libtorch's threads.
//
// `at::parallel_for` is a template: compiled here, without OpenMP, it would run on one core, and
// with OpenMP of this compiler it would bring a second set of threads. An iterator over one byte an
// item hands the stretches to the loop that was compiled into libtorch.
#pragma once
#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/empty.h>

namespace edge {

/// Calls `body(begin, end)` for stretches that cover 0..<count, at least `grain` long where more
/// than one thread works. The stretches depend on `count`, `grain` and the number of threads only.
template <typename Body>
void parallel(int64_t count, int64_t grain, const Body &body) {
  if (count <= 0) return;
  if (count <= grain || at::get_num_threads() == 1) return body(int64_t{0}, count);
  at::Tensor items = at::empty({count}, at::kByte);
  const char *origin = static_cast<const char *>(items.const_data_ptr());
  auto iterator = at::TensorIterator::nullary_op(items);
  iterator.for_each(
      [&](char **data, const int64_t *, int64_t length) {
        const int64_t begin = data[0] - origin;
        body(begin, begin + length);
      },
      grain);
}

}  // namespace edge
