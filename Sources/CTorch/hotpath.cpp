// The hot path: autograd functions over libtorch's own kernels, and dropout with stateless bits.
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#include "edge.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

// MARK: linear

at::Tensor onednn_linear(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias) {
  static const auto op =
      c10::Dispatcher::singleton()
          .findSchemaOrThrow("mkldnn::_linear_pointwise", "")
          .typed<at::Tensor(const at::Tensor &, const at::Tensor &,
                            const std::optional<at::Tensor> &, std::string_view,
                            c10::List<std::optional<at::Scalar>>,
                            std::optional<std::string_view>)>();
  return op.call(x, weight, bias.defined() ? std::optional<at::Tensor>(bias) : std::nullopt,
                 "none", c10::List<std::optional<at::Scalar>>(), "");
}

struct OneDNNLinear : torch::autograd::Function<OneDNNLinear> {
  static at::Tensor forward(AutogradContext *context, at::Tensor x, at::Tensor weight,
                            at::Tensor bias) {
    context->save_for_backward({x, weight});
    at::AutoDispatchBelowADInplaceOrView below;
    // Autograd functions take defined tensors only: an empty bias stands for none.
    return onednn_linear(x, weight, bias.numel() == 0 ? at::Tensor() : bias);
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const at::Tensor g = gradients[0].contiguous();
    at::AutoDispatchBelowADInplaceOrView below;
    at::Tensor dx, dw, db;
    if (context->needs_input_grad(0)) dx = onednn_linear(g, weight.t(), at::Tensor());
    if (context->needs_input_grad(1)) {
      // oneDNN is up to twice as fast where the product is wider than high.
      dw = g.size(1) > x.size(1) ? onednn_linear(x.t(), g.t(), at::Tensor()).t()
                                 : onednn_linear(g.t(), x.t(), at::Tensor());
    }
    if (context->needs_input_grad(2)) db = g.sum({0});
    return {dx, dw, db};
  }
};

// MARK: dropout

constexpr int64_t kChunk = 512;

/// The factors 0 or `scale` of columns `first` on: a 32-bit hash a column (two rounds of multiply
/// and shift), kept where it is not below the threshold. Written so that it becomes vector code.
__attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
void dropout_factors(float *out, int64_t first, int64_t count, uint64_t key, uint32_t threshold,
                     float scale) {
  const uint32_t low = static_cast<uint32_t>(key), high = static_cast<uint32_t>(key >> 32);
  for (int64_t j = 0; j < count; j++) {
    uint32_t h = low + static_cast<uint32_t>(first + j) * 0x9E3779B9u;
    h = (h ^ (h >> 16)) * 0x7FEB352Du;
    h = (h ^ (h >> 15) ^ high) * 0x846CA68Bu;
    h ^= h >> 16;
    out[j] = h >= threshold ? scale : 0.0f;
  }
}

template <typename T>
void drop_row(const T *in, T *out, int64_t columns, uint64_t key, uint32_t threshold, float scale) {
  float factors[kChunk];
  for (int64_t first = 0; first < columns; first += kChunk) {
    const int64_t count = std::min(kChunk, columns - first);
    dropout_factors(factors, first, count, key, threshold, scale);
    for (int64_t j = 0; j < count; j++)
      out[first + j] = static_cast<T>(static_cast<float>(in[first + j]) * factors[j]);
  }
}

struct RowDropout : torch::autograd::Function<RowDropout> {
  static at::Tensor apply_bits(const at::Tensor &x, const at::Tensor &keys, double probability,
                               int64_t seed) {
    at::AutoDispatchBelowADInplaceOrView below;
    const at::Tensor input = x.contiguous();
    at::Tensor output = at::empty_like(input);
    edge::drop_rows(input, output, keys.const_data_ptr<int64_t>(), 1, probability,
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

// MARK: attention

struct Span {
  int64_t query, queries, key, keys, causal;
};

/// Equal spans at equal distances, served by one batched call.
struct Run {
  Span first;
  int64_t count = 1, query_step = 0, key_step = 0;

  bool takes(const Span &span) {
    if (span.queries != first.queries || span.keys != first.keys || span.causal != first.causal)
      return false;
    if (count == 1) {
      query_step = span.query - first.query;
      key_step = span.key - first.key;
      if (query_step < first.queries) return false;
    }
    if (span.query != first.query + count * query_step || span.key != first.key + count * key_step)
      return false;
    // Runs that read one key block for several queries would add up gradients in place.
    if (key_step < first.keys) return false;
    count++;
    return true;
  }
};

std::vector<Run> runs_of(const std::vector<int64_t> &spans) {
  std::vector<Run> runs;
  for (size_t i = 0; i + 5 <= spans.size(); i += 5) {
    const Span span{spans[i], spans[i + 1], spans[i + 2], spans[i + 3], spans[i + 4]};
    if (runs.empty() || !runs.back().takes(span)) runs.push_back(Run{span});
  }
  return runs;
}

/// [T, heads·d] rows as [n, heads, rows, d], without a copy.
at::Tensor block(const at::Tensor &rows, int64_t heads, int64_t start, int64_t length,
                 int64_t count, int64_t step) {
  const int64_t width = rows.size(1) / heads, stride = rows.stride(0);
  return rows.as_strided({count, heads, length, width}, {step * stride, width, stride, 1},
                         rows.storage_offset() + start * stride);
}

at::Tensor mask_of(const Span &span, const at::Tensor &like) {
  auto mask = at::full({span.queries, span.keys}, -std::numeric_limits<double>::infinity(),
                       like.options());
  return mask.triu(span.keys - span.queries + 1);
}

struct Settings {
  int64_t heads;
  double dropout;
  uint64_t seed;
  double scale;
};

/// Autograd functions take defined tensors only: an empty key stands for "part of the query".
bool is_fused(const at::Tensor &key) { return key.numel() == 0; }

struct PackedAttention : torch::autograd::Function<PackedAttention> {
  static std::array<at::Tensor, 3> parts(const at::Tensor &q, const at::Tensor &k,
                                         const at::Tensor &v) {
    if (!is_fused(k)) return {q, k, v};
    const int64_t width = q.size(1) / 3;
    return {q.narrow(1, 0, width), q.narrow(1, width, width), q.narrow(1, 2 * width, width)};
  }

  static Settings settings_of(AutogradContext *context, int64_t width) {
    const int64_t heads = context->saved_data["heads"].toInt();
    return {heads, context->saved_data["dropout"].toDouble(),
            static_cast<uint64_t>(context->saved_data["seed"].toInt()),
            1.0 / std::sqrt(static_cast<double>(width / heads))};
  }

  /// Keys of the rows of attention weights, [n, heads, queries]: from the query row's key.
  static std::vector<int64_t> weight_keys(const at::Tensor &keys, const Run &run, int64_t heads) {
    const int64_t *row = keys.const_data_ptr<int64_t>();
    std::vector<int64_t> result;
    result.reserve(run.count * heads * run.first.queries);
    for (int64_t n = 0; n < run.count; n++)
      for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < run.first.queries; i++) {
          const int64_t at_row = row[run.first.query + n * run.query_step + i];
          result.push_back(static_cast<int64_t>(
              edge::mix(static_cast<uint64_t>(at_row) ^ (0xD1B54A32D192ED03ull * (h + 1)))));
        }
    return result;
  }

  static at::Tensor forward(AutogradContext *context, at::Tensor q, at::Tensor k, at::Tensor v,
                            at::Tensor row_keys, int64_t heads, std::vector<int64_t> spans,
                            double dropout, int64_t seed) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->saved_data["heads"] = heads;
    context->saved_data["spans"] = spans;
    context->saved_data["dropout"] = dropout;
    context->saved_data["seed"] = seed;
    const auto [query, key, value] = parts(q, k, v);
    const Settings settings = settings_of(context, query.size(1));
    // Rows that no span asks for stay 0.
    at::Tensor output = at::zeros({query.size(0), query.size(1)}, query.options());
    variable_list saved = {q, k, v, row_keys, output};
    for (const Run &run : runs_of(spans)) {
      const Span &span = run.first;
      const auto qb = block(query, heads, span.query, span.queries, run.count, run.query_step);
      const auto kb = block(key, heads, span.key, span.keys, run.count, run.key_step);
      const auto vb = block(value, heads, span.key, span.keys, run.count, run.key_step);
      auto ob = block(output, heads, span.query, span.queries, run.count, run.query_step);
      if (dropout > 0) {
        auto weights = at::matmul(qb, kb.transpose(-1, -2)).mul_(settings.scale);
        if (span.causal) weights.add_(mask_of(span, weights));
        weights = at::_softmax(weights, -1, false);
        at::Tensor dropped = at::empty_like(weights);
        const auto keys = weight_keys(row_keys, run, heads);
        edge::drop_rows(weights, dropped, keys.data(), 1, dropout, settings.seed);
        ob.copy_(at::matmul(dropped, vb));
        saved.push_back(weights);
      } else {
        std::optional<at::Tensor> mask;
        const bool aligned = span.queries == span.keys;
        if (span.causal && !aligned) mask = mask_of(span, qb);
        auto [result, sums] = at::_scaled_dot_product_flash_attention_for_cpu(
            qb, kb, vb, 0.0, span.causal && aligned, mask, settings.scale);
        ob.copy_(result);
        saved.push_back(sums);
      }
    }
    context->save_for_backward(saved);
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &row_keys = saved[3],
                     &output = saved[4];
    const bool fused = is_fused(k);
    const auto [query, key, value] = parts(q, k, v);
    const Settings settings = settings_of(context, query.size(1));
    const at::Tensor grad = gradients[0].contiguous();
    at::Tensor gq = at::zeros_like(q), gk = at::zeros_like(k), gv = at::zeros_like(v);
    const auto [gquery, gkey, gvalue] = parts(gq, gk, gv);
    size_t next = 5;
    for (const Run &run : runs_of(context->saved_data["spans"].toIntVector())) {
      const Span &span = run.first;
      const auto rows = [&](const at::Tensor &t) {
        return block(t, settings.heads, span.query, span.queries, run.count, run.query_step);
      };
      const auto columns = [&](const at::Tensor &t) {
        return block(t, settings.heads, span.key, span.keys, run.count, run.key_step);
      };
      const auto qb = rows(query), kb = columns(key), vb = columns(value), gb = rows(grad);
      at::Tensor dq, dk, dv;
      if (settings.dropout > 0) {
        const at::Tensor weights = saved[next++];
        const auto keys = weight_keys(row_keys, run, settings.heads);
        at::Tensor dropped = at::empty_like(weights);
        edge::drop_rows(weights, dropped, keys.data(), 1, settings.dropout, settings.seed);
        dv = at::matmul(dropped.transpose(-1, -2), gb);
        auto dweights = at::matmul(gb, vb.transpose(-1, -2));
        edge::drop_rows(dweights, dweights, keys.data(), 1, settings.dropout, settings.seed);
        const auto dscores =
            at::_softmax_backward_data(dweights, weights, -1, weights.scalar_type())
                .mul_(settings.scale);
        dq = at::matmul(dscores, kb);
        dk = at::matmul(dscores.transpose(-1, -2), qb);
      } else {
        std::optional<at::Tensor> mask;
        const bool aligned = span.queries == span.keys;
        if (span.causal && !aligned) mask = mask_of(span, qb);
        std::tie(dq, dk, dv) = at::_scaled_dot_product_flash_attention_for_cpu_backward(
            gb, qb, kb, vb, rows(output), saved[next++], 0.0, span.causal && aligned, mask,
            settings.scale);
      }
      rows(gquery).add_(dq);
      columns(gkey).add_(dk);
      columns(gvalue).add_(dv);
    }
    const at::Tensor no;
    return {gq, fused ? no : gk, fused ? no : gv, no, no, no, no, no};
  }
};

void check_spans(const std::vector<int64_t> &spans, int64_t queries, int64_t keys) {
  for (size_t i = 0; i < spans.size(); i += 5) {
    TORCH_CHECK(spans[i] >= 0 && spans[i + 1] > 0 && spans[i] + spans[i + 1] <= queries,
                "span ", i / 5, " reads query rows ", spans[i], " to ", spans[i] + spans[i + 1],
                " of ", queries);
    TORCH_CHECK(spans[i + 2] >= 0 && spans[i + 3] > 0 && spans[i + 2] + spans[i + 3] <= keys,
                "span ", i / 5, " reads key rows ", spans[i + 2], " to ",
                spans[i + 2] + spans[i + 3], " of ", keys);
  }
}

}  // namespace

void edge::drop_rows(const at::Tensor &input, at::Tensor &output, const int64_t *keys,
                     int64_t rows_per_key, double probability, uint64_t seed) {
  TORCH_CHECK(probability >= 0 && probability < 1, "dropout must be in 0..<1, found ", probability);
  const int64_t columns = input.size(-1);
  const int64_t rows = columns == 0 ? 0 : input.numel() / columns;
  const auto threshold = static_cast<uint32_t>(probability * 4294967296.0);
  const auto scale = static_cast<float>(1.0 / (1.0 - probability));
  const auto work = [&](auto *in, auto *out) {
    at::parallel_for(0, rows, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, columns)),
                     [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const uint64_t key = mix(static_cast<uint64_t>(keys[r / rows_per_key]) ^ seed);
        drop_row(in + r * columns, out + r * columns, columns, key, threshold, scale);
      }
    });
  };
  if (input.scalar_type() == at::kFloat) {
    work(input.const_data_ptr<float>(), output.mutable_data_ptr<float>());
  } else {
    TORCH_CHECK(input.scalar_type() == at::kBFloat16, "dropout takes float32 or bfloat16, found ",
                input.scalar_type());
    work(input.const_data_ptr<at::BFloat16>(), output.mutable_data_ptr<at::BFloat16>());
  }
}

CTorchStatus ctorch_linear(
    CTorchTensor x, CTorchTensor weight, CTorchTensor bias, int32_t kernel, CTorchTensor *result) {
  return guard([&] {
    const auto input = borrow(x), w = borrow(weight), b = borrow(bias);
    if (kernel == 1 && input.dim() == 2 && input.size(0) > 0) {
      const auto none = at::empty({0}, w.options());
      *result = give(OneDNNLinear::apply(input, w, b.defined() ? b : none));
    } else {
      *result = give(
          at::linear(input, w, b.defined() ? std::optional<at::Tensor>(b) : std::nullopt));
    }
  });
}

CTorchStatus ctorch_row_dropout(
    CTorchTensor x, CTorchTensor row_keys, double probability, uint64_t seed,
    CTorchTensor *result) {
  return guard([&] {
    const auto input = borrow(x), keys = borrow(row_keys);
    TORCH_CHECK(input.dim() == 2 && keys.dim() == 1 && keys.size(0) == input.size(0) &&
                    keys.scalar_type() == at::kLong,
                "dropout needs rows [T, D] and int64 keys [T], found ", input.sizes(), " and ",
                keys.sizes());
    *result = give(
        RowDropout::apply(input, keys.contiguous(), probability, static_cast<int64_t>(seed)));
  });
}

CTorchStatus ctorch_packed_attention(
    CTorchTensor query, CTorchTensor key, CTorchTensor value, intptr_t heads,
    const intptr_t *spans, intptr_t span_count, CTorchTensor row_keys, double dropout,
    uint64_t seed, CTorchTensor *result) {
  return guard([&] {
    const auto q = borrow(query), k = borrow(key), v = borrow(value);
    const std::vector<int64_t> list(spans, spans + span_count * 5);
    TORCH_CHECK(q.dim() == 2 && q.size(1) % (heads * (k.defined() ? 1 : 3)) == 0,
                "attention rows ", q.sizes(), " cannot be cut into ", heads, " heads");
    TORCH_CHECK(!k.defined() || (k.dim() == 2 && k.sizes() == v.sizes() && k.size(1) == q.size(1)),
                "attention needs keys and values of one width with the queries");
    check_spans(list, q.size(0), k.defined() ? k.size(0) : q.size(0));
    const auto none = at::empty({0}, q.options());
    *result = give(PackedAttention::apply(q, k.defined() ? k : none, v.defined() ? v : none, borrow(row_keys), heads, list, dropout,
                                          static_cast<int64_t>(seed)));
  });
}
