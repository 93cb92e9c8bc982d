// A convolution with what follows it in networks over pictures: bias, residual sum, rectifier.
// Forward in one call of oneDNN, or of our own loops where every channel has its own kernel.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/hardtanh_backward.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/threshold_backward.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>

#include "depthwise.hpp"
#include "edge.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

/// What follows the sum: nothing, max(x, 0), or min(max(x, 0), 6).
enum Rectifier : int64_t { kNone = 0, kReLU = 1, kReLU6 = 2 };

struct Settings {
  int64_t stride, dilation, groups, rectifier;
  int64_t top, left, bottom, right;
};

at::Tensor rectified(const at::Tensor &x, int64_t rectifier) {
  switch (rectifier) {
    case kReLU: return at::relu(x);
    case kReLU6: return at::hardtanh(x, 0, 6);
    default: return x;
  }
}

/// The gradient before the rectifier, from its output.
at::Tensor before(const at::Tensor &gradient, const at::Tensor &output, int64_t rectifier) {
  switch (rectifier) {
    case kReLU: return at::threshold_backward(gradient, output, 0);
    case kReLU6: return at::hardtanh_backward(gradient, output, 0, 6);
    default: return gradient;
  }
}

using Scalars = c10::List<std::optional<at::Scalar>>;

at::Tensor onednn(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                  const at::Tensor &residual, const Settings &s) {
  const std::vector<int64_t> padding{s.top, s.left}, stride{s.stride, s.stride},
      dilation{s.dilation, s.dilation};
  const auto optional = [](const at::Tensor &t) {
    return t.defined() ? std::optional<at::Tensor>(t) : std::nullopt;
  };
  if (residual.defined()) {
    static const auto op =
        c10::Dispatcher::singleton()
            .findSchemaOrThrow("mkldnn::_convolution_pointwise", "binary")
            .typed<at::Tensor(const at::Tensor &, const at::Tensor &, const at::Tensor &,
                              const std::optional<at::Tensor> &, at::IntArrayRef, at::IntArrayRef,
                              at::IntArrayRef, int64_t, std::string_view,
                              std::optional<at::Scalar>, std::optional<std::string_view>, Scalars,
                              std::optional<std::string_view>)>();
    const auto then = s.rectifier == kReLU ? std::optional<std::string_view>("relu") : std::nullopt;
    return op.call(x, residual, weight, optional(bias), padding, stride, dilation, s.groups, "add",
                   std::nullopt, then, Scalars(), std::nullopt);
  }
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_convolution_pointwise", "")
          .typed<at::Tensor(const at::Tensor &, const at::Tensor &,
                            const std::optional<at::Tensor> &, at::IntArrayRef, at::IntArrayRef,
                            at::IntArrayRef, int64_t, std::string_view, Scalars,
                            std::optional<std::string_view>)>();
  Scalars limits;
  if (s.rectifier == kReLU6) {
    limits.push_back(at::Scalar(0.0));
    limits.push_back(at::Scalar(6.0));
  }
  const std::string_view then =
      s.rectifier == kReLU ? "relu" : s.rectifier == kReLU6 ? "hardtanh" : "none";
  return op.call(x, weight, optional(bias), padding, stride, dilation, s.groups, then, limits, "");
}

/// How many results a kernel gives along one side of a picture.
int64_t results(int64_t size, int64_t padding, int64_t kernel, const Settings &s) {
  return (size + padding - (kernel - 1) * s.dilation - 1) / s.stride + 1;
}

at::Tensor last(const at::Tensor &t) { return t.contiguous(at::MemoryFormat::ChannelsLast); }

edge::DepthwiseShape depthwise_shape(const at::Tensor &x, const at::Tensor &weight,
                                     const Settings &s) {
  const int64_t size = weight.size(2);
  return {size,
          s.stride,
          s.top,
          s.left,
          x.size(2),
          x.size(3),
          x.size(1),
          results(x.size(2), s.top + s.bottom, size, s),
          results(x.size(3), s.left + s.right, size, s)};
}

/// [C, 1, h, w] as [h, w, C].
at::Tensor taps_of(const at::Tensor &weight) {
  return weight.squeeze(1).permute({1, 2, 0}).contiguous();
}

at::Tensor rows_of(const at::Tensor &x) { return last(x).permute({0, 2, 3, 1}); }

struct Convolution : torch::autograd::Function<Convolution> {
  static bool is_depthwise(const at::Tensor &x, const at::Tensor &weight, const Settings &s) {
    return s.groups == x.size(1) && s.groups > 1 && weight.size(0) == s.groups &&
           weight.size(2) == weight.size(3) && s.dilation == 1 && x.scalar_type() == at::kFloat;
  }

  static at::Tensor forward(AutogradContext *context, at::Tensor x, at::Tensor weight,
                            at::Tensor bias, at::Tensor residual, Settings s) {
    at::AutoDispatchBelowADInplaceOrView below;
    // Autograd functions take defined tensors only: an empty one stands for none.
    const at::Tensor added = bias.numel() == 0 ? at::Tensor() : bias;
    const at::Tensor sum = residual.numel() == 0 ? at::Tensor() : last(residual);
    at::Tensor output;
    const bool depthwise = is_depthwise(x, weight, s) && !sum.defined();
    if (depthwise) {
      constexpr float kFar = std::numeric_limits<float>::infinity();
      const edge::Bounds bounds{s.rectifier == kNone ? -kFar : 0.0f,
                                s.rectifier == kReLU6 ? 6.0f : kFar};
      const at::Tensor shift = added.defined() ? added.contiguous() : added;
      output = edge::depthwise(rows_of(x), taps_of(weight), shift, depthwise_shape(x, weight, s),
                               bounds)
                   .permute({0, 3, 1, 2});
    } else {
      output = onednn(last(x), weight, added, sum, s);
    }
    context->save_for_backward({x, weight, s.rectifier == kNone ? at::empty({0}) : output});
    context->saved_data["settings"] = std::vector<int64_t>{
        s.stride, s.dilation, s.groups, s.rectifier, s.top, s.left, s.bottom, s.right, depthwise};
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const auto list = context->saved_data["settings"].toIntVector();
    const Settings s{list[0], list[1], list[2], list[3], list[4], list[5], list[6], list[7]};
    const at::Tensor g = before(last(gradients[0]), saved[2], s.rectifier);
    const bool wants_x = context->needs_input_grad(0), wants_w = context->needs_input_grad(1);
    at::Tensor dx, dw, db;
    if (list[8] != 0) {
      const auto shape = depthwise_shape(x, weight, s);
      const at::Tensor rows = rows_of(g);
      if (wants_x)
        dx = edge::depthwise_input(rows, taps_of(weight), shape).permute({0, 3, 1, 2});
      if (wants_w)
        dw = edge::depthwise_kernel(rows, rows_of(x), shape).permute({2, 0, 1}).unsqueeze(1);
    } else if (wants_x || wants_w) {
      const auto both = at::convolution_backward(
          g, last(x), weight, std::nullopt, {s.stride, s.stride}, {s.top, s.left},
          {s.dilation, s.dilation}, false, {0, 0}, s.groups, {wants_x, wants_w, false});
      dx = std::get<0>(both);
      dw = std::get<1>(both);
    }
    if (context->needs_input_grad(2)) db = g.sum({0, 2, 3});
    return {dx, dw, db, context->needs_input_grad(3) ? g : at::Tensor(), at::Tensor()};
  }
};

void check_shapes(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias,
                  const at::Tensor &residual, const Settings &s) {
  TORCH_CHECK(x.dim() == 4 && weight.dim() == 4, "needs a picture [N, C, H, W] and a kernel ",
              "[out, C / groups, h, w], found ", x.sizes(), " and ", weight.sizes());
  TORCH_CHECK(s.stride > 0 && s.dilation > 0 && s.groups > 0 && s.rectifier >= kNone &&
                  s.rectifier <= kReLU6 &&
                  std::min({s.top, s.left, s.bottom, s.right}) >= 0,
              "stride, dilation and groups must be positive and the padding not negative");
  TORCH_CHECK(weight.size(1) * s.groups == x.size(1) && weight.size(0) % s.groups == 0,
              "a kernel ", weight.sizes(), " in ", s.groups, " groups does not fit the ", x.size(1),
              " channels of ", x.sizes());
  TORCH_CHECK(x.size(2) + s.top + s.bottom >= (weight.size(2) - 1) * s.dilation + 1 &&
                  x.size(3) + s.left + s.right >= (weight.size(3) - 1) * s.dilation + 1,
              "a kernel ", weight.sizes(), " is larger than the picture ", x.sizes());
  TORCH_CHECK(x.scalar_type() == weight.scalar_type(), "the picture is ", x.scalar_type(),
              ", the kernel ", weight.scalar_type());
  TORCH_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)),
              "the bias must be [", weight.size(0), "]");
  if (!residual.defined()) return;
  const std::vector<int64_t> shape{x.size(0), weight.size(0),
                                   results(x.size(2), s.top + s.bottom, weight.size(2), s),
                                   results(x.size(3), s.left + s.right, weight.size(3), s)};
  TORCH_CHECK(residual.sizes() == at::IntArrayRef(shape), "the residual is ", residual.sizes(),
              ", the result ", at::IntArrayRef(shape));
  TORCH_CHECK(residual.scalar_type() == x.scalar_type(), "the residual is ",
              residual.scalar_type(), ", the picture ", x.scalar_type());
}

}  // namespace

CTorchStatus ctorch_convolution(
    CTorchTensor picture, CTorchTensor kernel, CTorchTensor bias, CTorchTensor residual,
    intptr_t stride, intptr_t dilation, intptr_t groups, const intptr_t *padding, int32_t rectifier,
    CTorchTensor *result) {
  return guard([&] {
    auto x = borrow(picture);
    const auto weight = borrow(kernel), added = borrow(bias), sum = borrow(residual);
    Settings s{stride, dilation, groups, rectifier, padding[0], padding[1], padding[2], padding[3]};
    check_shapes(x, weight, added, sum, s);
    const bool on_cpu = x.device().is_cpu();
    const bool even = s.top == s.bottom && s.left == s.right;
    if (!even && !(on_cpu && !sum.defined() && Convolution::is_depthwise(x, weight, s))) {
      x = at::constant_pad_nd(x, {s.left, s.right, s.top, s.bottom});
      s.top = s.left = s.bottom = s.right = 0;
    }
    const bool known = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
    if (!on_cpu || !known || x.numel() == 0) {
      const auto optional = added.defined() ? std::optional<at::Tensor>(added) : std::nullopt;
      at::Tensor y = at::conv2d(x, weight, optional, {s.stride, s.stride}, {s.top, s.left},
                                {s.dilation, s.dilation}, s.groups);
      if (sum.defined()) y = at::add(y, sum);
      *result = give(rectified(y, s.rectifier));
      return;
    }
    const auto none = at::empty({0}, x.options().requires_grad(false));
    const bool split = sum.defined() && s.rectifier == kReLU6;
    if (split) s.rectifier = kNone;
    const at::Tensor y = Convolution::apply(x, weight, added.defined() ? added : none,
                                            sum.defined() ? sum : none, s);
    *result = give(split ? rectified(y, kReLU6) : y);
  });
}
