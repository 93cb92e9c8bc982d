// The arithmetic of attention over packed sequences: one sequence after the other with plain
// operators in float32, on the host.
#pragma once
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>

#include <array>
#include <cmath>
#include <vector>

namespace recording::attention {

enum Mask : int64_t { none = 0, causal_from_top_left = 1, causal_from_bottom_right = 2 };

/// Query [T, heads, d], key and value likewise, on the host; sequences by their first rows.
struct Problem {
  at::Tensor query, key, value;
  std::vector<int64_t> query_starts = {}, key_starts = {};
  double scale = 1, dropout = 0;
  int64_t mask = none;
  uint64_t seed = 0;

  size_t count() const { return query_starts.size() - 1; }
};

/// A sequence's rows as [heads, rows, d] in float32.
inline at::Tensor rows(const at::Tensor &tensor, const std::vector<int64_t> &starts, size_t i) {
  return tensor.narrow(0, starts[i], starts[i + 1] - starts[i]).to(at::kFloat).transpose(0, 1);
}

inline void put_rows(const at::Tensor &target, const std::vector<int64_t> &starts, size_t i,
                     const at::Tensor &values) {
  target.narrow(0, starts[i], starts[i + 1] - starts[i]).copy_(values.transpose(0, 1));
}

/// [heads, query rows, key rows], −∞ where the mask hides a key.
inline at::Tensor scores(const Problem &problem, size_t i) {
  auto scores = rows(problem.query, problem.query_starts, i)
                    .matmul(rows(problem.key, problem.key_starts, i).transpose(1, 2))
                    .mul_(problem.scale);
  if (problem.mask == none) return scores;
  const int64_t n = scores.size(1), m = scores.size(2);
  const int64_t shift = problem.mask == causal_from_bottom_right ? m - n : 0;
  const auto hidden = at::ones({n, m}, at::kBool).triu(shift + 1);
  return scores.masked_fill_(hidden, -INFINITY);
}

/// The factors of dropout on the probabilities, the same in both directions for one seed.
class Dropout {
 public:
  explicit Dropout(const Problem &problem)
      : p_(problem.dropout), generator_(at::detail::createCPUGenerator(problem.seed)) {}
  at::Tensor apply(const at::Tensor &probabilities) const {
    return factors_.defined() ? probabilities.mul(factors_) : probabilities;
  }
  /// To be called once a sequence, in their order.
  void draw(at::IntArrayRef shape) {
    if (p_ > 0) factors_ = at::empty(shape).bernoulli_(1 - p_, generator_).div_(1 - p_);
  }

 private:
  double p_;
  at::Generator generator_;
  at::Tensor factors_;
};

/// The output [T, heads, d], and the logarithm of the softmax's sum [heads, T]: +∞ for a row that
/// sees no key, whose output is 0.
inline std::pair<at::Tensor, at::Tensor> forward(const Problem &problem) {
  const int64_t total = problem.query.size(0), heads = problem.query.size(1);
  auto output = at::zeros({total, heads, problem.value.size(2)}, problem.query.options());
  auto logsumexp = at::full({heads, total}, INFINITY, at::kFloat);
  Dropout dropout(problem);
  for (size_t i = 0; i < problem.count(); i++) {
    const auto s = scores(problem, i);
    dropout.draw(s.sizes());
    if (s.numel() == 0) continue;
    auto sums = s.logsumexp(-1);
    sums.masked_fill_(sums.eq(-INFINITY), INFINITY);
    const auto probabilities = dropout.apply(s.sub(sums.unsqueeze(-1)).exp());
    put_rows(output, problem.query_starts, i,
             probabilities.matmul(rows(problem.value, problem.key_starts, i)));
    logsumexp.narrow(1, problem.query_starts[i], sums.size(1)).copy_(sums);
  }
  return {output, logsumexp};
}

/// Gradients of query, key and value. As in the real kernels, the probabilities come from the
/// forward's `logsumexp`, which has to be the right one.
inline std::array<at::Tensor, 3> backward(
    const Problem &problem, const at::Tensor &output, const at::Tensor &logsumexp,
    const at::Tensor &gradient) {
  const auto zeros = [](const at::Tensor &like) { return at::zeros(like.sizes(), like.options()); };
  auto query = zeros(problem.query), key = zeros(problem.key), value = zeros(problem.value);
  Dropout dropout(problem);
  for (size_t i = 0; i < problem.count(); i++) {
    const auto s = scores(problem, i);
    dropout.draw(s.sizes());
    if (s.numel() == 0) continue;
    const auto sums = logsumexp.narrow(1, problem.query_starts[i], s.size(1)).unsqueeze(-1);
    const auto probabilities = s.sub(sums).exp();
    const auto g = rows(gradient, problem.query_starts, i);
    const auto delta = g.mul(rows(output, problem.query_starts, i)).sum(-1, /*keepdim=*/true);
    const auto passed = dropout.apply(
        g.matmul(rows(problem.value, problem.key_starts, i).transpose(1, 2)));
    const auto d = passed.sub(delta).mul_(probabilities).mul_(problem.scale);
    put_rows(query, problem.query_starts, i,
             d.matmul(rows(problem.key, problem.key_starts, i)));
    put_rows(key, problem.key_starts, i,
             d.transpose(1, 2).matmul(rows(problem.query, problem.query_starts, i)));
    put_rows(value, problem.key_starts, i, dropout.apply(probabilities).transpose(1, 2).matmul(g));
  }
  return {query, key, value};
}

}  // namespace recording::attention
