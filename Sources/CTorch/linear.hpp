// The product of a linear layer, for the files that need one.
#pragma once
#include <ATen/core/Tensor.h>

namespace edge {

/// a · bᵀ (+ bias) for a [m, k] and b [n, k]; the kernels are those of `ctorch_linear`. An undefined
/// bias stands for none.
at::Tensor product(const at::Tensor &a, const at::Tensor &b, const at::Tensor &bias,
                   int64_t kernel);

}  // namespace edge
