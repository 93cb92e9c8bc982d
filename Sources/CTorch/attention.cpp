// Attention over packed rows: spans instead of masks, forward and backward.
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu_backward.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "edge.hpp"

using edge::borrow;
using edge::give;
using edge::guard;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

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
          const int64_t own = row[run.first.query + n * run.query_step + i];
          result.push_back(
              static_cast<int64_t>(edge::row_key(own, 0xD1B54A32D192ED03ull * (h + 1))));
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
        edge::drop_rows(weights, dropped, keys.data(), dropout, settings.seed);
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
        edge::drop_rows(weights, dropped, keys.data(), settings.dropout, settings.seed);
        dv = at::matmul(dropped.transpose(-1, -2), gb);
        auto dweights = at::matmul(gb, vb.transpose(-1, -2));
        edge::drop_rows(dweights, dweights, keys.data(), settings.dropout, settings.seed);
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

CTorchStatus ctorch_packed_attention(
    CTorchTensor query, CTorchTensor key, CTorchTensor value, intptr_t heads,
    const intptr_t *spans, intptr_t span_count, CTorchTensor row_keys, double dropout,
    uint64_t seed, CTorchTensor *result) {
  return guard([&] {
    const auto rows = [](const at::Tensor &t) { return t.defined() ? t.contiguous() : t; };
    const auto q = rows(borrow(query)), k = rows(borrow(key)), v = rows(borrow(value));
    const std::vector<int64_t> list(spans, spans + span_count * 5);
    TORCH_CHECK(q.dim() == 2 && q.size(1) % (heads * (k.defined() ? 1 : 3)) == 0,
                "attention rows ", q.sizes(), " cannot be cut into ", heads, " heads");
    TORCH_CHECK(!k.defined() || (k.dim() == 2 && k.sizes() == v.sizes() && k.size(1) == q.size(1)),
                "attention needs keys and values of one width with the queries");
    check_spans(list, q.size(0), k.defined() ? k.size(0) : q.size(0));
    const auto none = at::empty({0}, q.options());
    *result = give(PackedAttention::apply(q, k.defined() ? k : none, v.defined() ? v : none,
                                          borrow(row_keys), heads, list, dropout,
                                          static_cast<int64_t>(seed)));
  });
}
