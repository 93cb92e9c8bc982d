// Convolutions whose every channel has a kernel of its own, over pictures that lie channels last.
#pragma once
#include <ATen/core/Tensor.h>

namespace edge {

/// How a kernel of `size` × `size` moves over a picture [height, width, channels], and what it
/// makes of it: [out_height, out_width, channels]. `top` and `left` are rows and columns of zeros before
/// the picture; after it there are as many as the output asks for.
struct DepthwiseShape {
  int64_t size, stride, top, left;
  int64_t height, width, channels, out_height, out_width;
};

/// Bounds of the result: from `low` to `high`, infinite ones for none.
struct Bounds {
  float low, high;
};

/// out = clamp(conv(x, kernel) + bias): x [N, H, W, C], kernel [size, size, C], bias [C] or null.
at::Tensor depthwise(const at::Tensor &x, const at::Tensor &kernel, const at::Tensor &bias,
                     const DepthwiseShape &shape, Bounds bounds);
/// The gradient of x from that of out [N, H', W', C].
at::Tensor depthwise_input(const at::Tensor &gradient, const at::Tensor &kernel,
                           const DepthwiseShape &shape);
/// The gradient of the kernel, [size, size, C]. Neither threads nor chance change it.
at::Tensor depthwise_kernel(const at::Tensor &gradient, const at::Tensor &x,
                            const DepthwiseShape &shape);

}  // namespace edge
