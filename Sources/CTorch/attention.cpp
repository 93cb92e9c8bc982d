// Attention over packed rows: spans instead of masks, forward and backward.
//
// The weights of a span are products over all its rows and heads at once, with one pass of our own
// between them: scale, softmax and dropout. On processors that is faster than libtorch's flash
// attention, above all backward and in bfloat16, and it takes dropout (docs/decisions/attention.md).
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
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
    const int64_t *row = edge::read<int64_t>(keys);
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
    const auto shape = {query.size(0), query.size(1)};
    // Rows that no span asks for are 0.
    at::Tensor output = covers(spans, 0, query.size(0)) ? at::empty(shape, query.options())
                                                        : at::zeros(shape, query.options());
    variable_list saved = {q, k, v, row_keys};
    for (const Run &run : runs_of(spans)) {
      const Span &span = run.first;
      const auto qb = block(query, heads, span.query, span.queries, run.count, run.query_step);
      const auto kb = block(key, heads, span.key, span.keys, run.count, run.key_step);
      const auto vb = block(value, heads, span.key, span.keys, run.count, run.key_step);
      auto ob = block(output, heads, span.query, span.queries, run.count, run.query_step);
      const auto weights = at::matmul(qb, kb.transpose(-1, -2));
      const auto dropped = dropout > 0 ? at::empty_like(weights) : weights;
      const Dropping dropping(row_keys, run, settings);
      weigh(weights, dropped, span, settings, dropping);
      ob.copy_(at::matmul(dropped, vb));
      saved.push_back(weights);
    }
    context->save_for_backward(saved);
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    at::AutoDispatchBelowADInplaceOrView below;
    const auto saved = context->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &row_keys = saved[3];
    const bool fused = is_fused(k);
    const auto [query, key, value] = parts(q, k, v);
    const Settings settings = settings_of(context, query.size(1));
    const at::Tensor grad = gradients[0].contiguous();
    const auto spans = context->saved_data["spans"].toIntVector();
    // Where each row is read once its gradient is written, not added.
    const bool once = covers(spans, 0, query.size(0)) && covers(spans, 2, key.size(0));
    const auto like = [&](const at::Tensor &t) {
      return once ? at::empty_like(t) : at::zeros_like(t);
    };
    const at::Tensor gq = like(q), gk = like(k), gv = like(v);
    const auto [gquery, gkey, gvalue] = parts(gq, gk, gv);
    const auto give_to = [&](at::Tensor target, const at::Tensor &part) {
      once ? target.copy_(part) : target.add_(part);
    };
    size_t next = 4;
    for (const Run &run : runs_of(spans)) {
      const Span &span = run.first;
      const auto rows = [&](const at::Tensor &t) {
        return block(t, settings.heads, span.query, span.queries, run.count, run.query_step);
      };
      const auto columns = [&](const at::Tensor &t) {
        return block(t, settings.heads, span.key, span.keys, run.count, run.key_step);
      };
      const auto qb = rows(query), kb = columns(key), vb = columns(value), gb = rows(grad);
      const at::Tensor &weights = saved[next++];
      const Dropping dropping(row_keys, run, settings);
      const auto dscores = at::matmul(gb, vb.transpose(-1, -2));
      const auto dropped = settings.dropout > 0 ? at::empty_like(weights) : weights;
      unweigh(weights, dscores, dropped, settings, dropping);
      give_to(columns(gvalue), at::matmul(dropped.transpose(-1, -2), gb));
      give_to(rows(gquery), at::matmul(dscores, kb));
      give_to(columns(gkey), at::matmul(dscores.transpose(-1, -2), qb));
    }
    const at::Tensor no;
    return {gq, fused ? no : gk, fused ? no : gv, no, no, no, no, no};
  }

  /// What the rows of attention weights, [n, heads, queries], draw their dropout bits from.
  struct Dropping {
    edge::DropoutBits bits;
    std::vector<int64_t> keys;
    uint64_t seed;

    Dropping(const at::Tensor &row_keys, const Run &run, const Settings &settings)
        : bits(settings.dropout), seed(settings.seed) {
      if (bits.any()) keys = weight_keys(row_keys, run, settings.heads);
    }

    void factors(int64_t row, float *out, int64_t count) const {
      edge::dropout_factors(out, 0, count, edge::row_key(keys[row], seed), bits.threshold,
                            bits.scale);
    }
  };

  /// Scores [n, heads, queries, keys] become weights, in place; `dropped` are those after dropout.
  static void weigh(const at::Tensor &scores, const at::Tensor &dropped, const Span &span,
                    const Settings &settings, const Dropping &dropping) {
    each_row(scores, [&](auto *all, int64_t row, int64_t count) {
      using T = std::remove_pointer_t<decltype(all)>;
      float wide[edge::kWidestRow], weight[edge::kWidestRow];
      T *own = all + row * count;
      // A causal span is aligned at its end: the last query sees every key.
      const int64_t seen =
          span.causal ? count - span.queries + row % span.queries + 1 : count;
      edge::widen(own, wide, count);
      edge::softmax(wide, static_cast<float>(settings.scale), weight, seen);
      std::fill(weight + seen, weight + count, 0.0f);
      edge::narrow(weight, own, count);
      if (!dropping.bits.any()) return;
      float factors[edge::kWidestRow];
      dropping.factors(row, factors, count);
      edge::multiply(weight, factors, wide, count);
      edge::narrow(wide, dropped.mutable_data_ptr<T>() + row * count, count);
    });
  }

  /// Gradients of dropped weights become those of scores, in place; `dropped` is made again.
  static void unweigh(const at::Tensor &weights, const at::Tensor &gradients,
                      const at::Tensor &dropped, const Settings &settings,
                      const Dropping &dropping) {
    each_row(gradients, [&](auto *all, int64_t row, int64_t count) {
      using T = std::remove_pointer_t<decltype(all)>;
      float gradient[edge::kWidestRow], weight[edge::kWidestRow], result[edge::kWidestRow];
      T *own = all + row * count;
      edge::widen(own, gradient, count);
      edge::widen(edge::read<T>(weights) + row * count, weight, count);
      const float *given = gradient;
      float kept[edge::kWidestRow];
      if (dropping.bits.any()) {
        float factors[edge::kWidestRow];
        dropping.factors(row, factors, count);
        edge::multiply(weight, factors, result, count);
        edge::narrow(result, dropped.mutable_data_ptr<T>() + row * count, count);
        edge::multiply(gradient, factors, kept, count);
        given = kept;
      }
      edge::softmax_backward(given, weight, static_cast<float>(settings.scale), result, count);
      edge::narrow(result, own, count);
    });
  }

  /// Calls `body(first element of all, row, columns)` for each row of the last dimension.
  template <typename Body>
  static void each_row(const at::Tensor &t, const Body &body) {
    const int64_t count = t.size(-1), rows = t.numel() / count;
    const auto loop = [&](auto *all) {
      edge::parallel(rows, std::max<int64_t>(1, 16384 / count), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++) body(all, row, count);
      });
    };
    t.scalar_type() == at::kFloat ? loop(t.mutable_data_ptr<float>())
                                  : loop(t.mutable_data_ptr<at::BFloat16>());
  }

  /// Whether the spans' rows (from number `place` of each on) follow one another and are `count`.
  static bool covers(const std::vector<int64_t> &spans, int64_t place, int64_t count) {
    int64_t next = 0;
    for (size_t i = 0; i + 5 <= spans.size(); i += 5) {
      if (spans[i + place] != next) return false;
      next += spans[i + place + 1];
    }
    return next == count;
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
    TORCH_CHECK(spans[i + 3] <= edge::kWidestRow, "span ", i / 5, " reads ", spans[i + 3],
                " keys, more than ", edge::kWidestRow);
    TORCH_CHECK(!spans[i + 4] || spans[i + 1] <= spans[i + 3], "causal span ", i / 5, " has ",
                spans[i + 1], " queries and only ", spans[i + 3], " keys");
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
    edge::need_cpu({q, k, v, borrow(row_keys)});
    TORCH_CHECK(q.scalar_type() == at::kFloat || q.scalar_type() == at::kBFloat16,
                "attention takes float32 or bfloat16, found ", q.scalar_type());
    TORCH_CHECK(dropout >= 0 && dropout < 1, "dropout must be in 0..<1, found ", dropout);
    check_spans(list, q.size(0), k.defined() ? k.size(0) : q.size(0));
    const auto none = at::empty({0}, q.options());
    *result = give(PackedAttention::apply(q, k.defined() ? k : none, v.defined() ? v : none,
                                          borrow(row_keys), heads, list, dropout,
                                          static_cast<int64_t>(seed)));
  });
}
