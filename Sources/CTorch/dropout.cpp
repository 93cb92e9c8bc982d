// Dropout of rows with stateless bits.
#include <ATen/ops/empty_like.h>
#include <ATen/ops/native_dropout.h>
#include <torch/csrc/autograd/custom_function.h>

#include "edge.hpp"
#include "parallel.hpp"
#include "rows.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

struct RowDropout : torch::autograd::Function<RowDropout> {
  static at::Tensor apply_bits(const at::Tensor &x, const at::Tensor &keys, double probability,
                               int64_t seed) {
    at::AutoDispatchBelowADInplaceOrView below;
    const at::Tensor input = x.contiguous();
    at::Tensor output = at::empty_like(input);
    edge::drop_rows(input, output, edge::read<int64_t>(keys), probability,
                    static_cast<uint64_t>(seed));
    return output;
  }

  static at::Tensor forward(AutogradContext *context, at::Tensor x, at::Tensor keys,
                            double probability, int64_t seed) {
    context->save_for_backward({keys});
    context->saved_data["probability"] = probability;
    context->saved_data["seed"] = seed;
    return apply_bits(x, keys, probability, seed);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto keys = context->get_saved_variables()[0];
    return {apply_bits(gradients[0], keys, context->saved_data["probability"].toDouble(),
                       context->saved_data["seed"].toInt()),
            at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

constexpr int64_t kChunk = 512;

template <typename T>
void drop_row(const T *in, T *out, int64_t columns, uint64_t key, const edge::DropoutBits &bits) {
  float wide[kChunk], factors[kChunk], product[kChunk];
  for (int64_t first = 0; first < columns; first += kChunk) {
    const int64_t count = std::min(kChunk, columns - first);
    edge::dropout_factors(factors, first, count, key, bits.threshold, bits.scale);
    edge::widen(in + first, wide, count);
    edge::multiply(wide, factors, product, count);
    edge::narrow(product, out + first, count);
  }
}

}  // namespace

void edge::drop_rows(const at::Tensor &input, at::Tensor &output, const int64_t *keys,
                     double probability, uint64_t seed) {
  TORCH_CHECK(probability >= 0 && probability < 1, "dropout must be in 0..<1, found ", probability);
  const int64_t columns = input.size(-1);
  const int64_t rows = columns == 0 ? 0 : input.numel() / columns;
  const DropoutBits bits(probability);
  const auto work = [&](auto *in, auto *out) {
    parallel(rows, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, columns)),
             [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        drop_row(in + r * columns, out + r * columns, columns, row_key(keys[r], seed), bits);
    });
  };
  if (input.scalar_type() == at::kFloat) {
    work(edge::read<float>(input), output.mutable_data_ptr<float>());
  } else {
    TORCH_CHECK(input.scalar_type() == at::kBFloat16, "dropout takes float32 or bfloat16, found ",
                input.scalar_type());
    work(edge::read<at::BFloat16>(input), output.mutable_data_ptr<at::BFloat16>());
  }
}

CTorchStatus ctorch_row_dropout(
    CTorchTensor x, CTorchTensor row_keys, double probability, uint64_t seed,
    CTorchTensor *result) {
  return guard([&] {
    const auto input = borrow(x), keys = borrow(row_keys);
    if (!input.device().is_cpu()) {
      // libtorch's kernel draws the bits there; those of our own would cost more than the layer.
      edge::seed_device(input.device(), seed);
      *result = give(std::get<0>(at::native_dropout(input, probability, /*train=*/true)));
      return;
    }
    edge::need_cpu({input, keys});
    TORCH_CHECK(input.dim() == 2 && keys.dim() == 1 && keys.size(0) == input.size(0) &&
                    keys.scalar_type() == at::kLong,
                "dropout needs rows [T, D] and int64 keys [T], found ", input.sizes(), " and ",
                keys.sizes());
    *result = give(
        RowDropout::apply(input, keys.contiguous(), probability, static_cast<int64_t>(seed)));
  });
}
