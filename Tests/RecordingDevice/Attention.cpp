// The attention operators that exist for GPUs alone, over packed sequences, behind the conditions
// of the real kernels.
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>

#include "Internal.hpp"
#include "PackedAttention.hpp"

namespace recording {

using attention::Problem;

namespace {

// MARK: arguments

/// A call's arguments by name: the versions of libtorch differ in what they append to a schema.
class Call {
 public:
  Call(const c10::OperatorHandle &op, torch::jit::Stack *stack)
      : schema_(op.schema()),
        values_(torch::jit::pop(*stack, op.schema().arguments().size())) {
    note_operator();
  }

  c10::IValue operator[](const char *name) const {
    const auto index = schema_.argumentIndexWithName(name);
    return index ? values_[*index] : c10::IValue();
  }
  at::Tensor tensor(const char *name) const {
    const auto value = (*this)[name];
    return value.isTensor() ? value.toTensor() : at::Tensor();
  }
  double scale(int64_t width) const {
    const auto value = (*this)["scale"];
    return value.isNone() ? 1 / std::sqrt(static_cast<double>(width)) : value.toDouble();
  }
  /// What these kernels of ours do not know, though the real ones do.
  void need_absent(std::initializer_list<const char *> names) const {
    for (const char *name : names) {
      const auto value = (*this)[name];
      const bool is_absent = value.isNone() || (value.isTensor() && !value.toTensor().defined()) ||
                             (value.isInt() && value.toInt() < 0) ||
                             (value.isBool() && !value.toBool());
      TORCH_CHECK(is_absent, schema_.name(), ": the recording device does not know '", name, "'");
    }
  }

 private:
  const c10::FunctionSchema &schema_;
  std::vector<c10::IValue> values_;
};

void need_on_device(const at::Tensor &tensor, const char *name) {
  TORCH_CHECK(tensor.defined(), name, " is missing: this device knows packed sequences only");
  TORCH_CHECK(tensor.device() == device, name, " must be on ", device, ", is on ", tensor.device());
}

/// The kernels load 16 bytes at once. Flash attention leaves this unchecked and faults.
void need_alignment(const at::Tensor &tensor, const char *name) {
  need_on_device(tensor, name);
  TORCH_CHECK(tensor.stride(-1) == 1, name, " must have contiguous last dimension");
  const auto bytes = static_cast<int64_t>(tensor.element_size());
  TORCH_CHECK(tensor.stride(-2) * bytes % 16 == 0 && tensor.stride(-3) * bytes % 16 == 0, name,
              " is not correctly aligned: strides ", tensor.strides(), " of ", bytes, " bytes");
  TORCH_CHECK(reinterpret_cast<uintptr_t>(tensor.const_data_ptr()) % 16 == 0, name,
              " does not start at a multiple of 16 bytes");
}

/// Where sequences start, and the total. The real kernels read these on the device alone and follow
/// wrong ones out of bounds; rows beyond `longest` they leave unwritten.
std::vector<int64_t> starts_of(const at::Tensor &lengths, const char *name, int64_t rows,
                               int64_t longest) {
  need_on_device(lengths, name);
  TORCH_CHECK(lengths.scalar_type() == at::kInt, name, " must have dtype int32");
  TORCH_CHECK(lengths.dim() == 1 && lengths.is_contiguous(), name, " must be contiguous");
  TORCH_CHECK(lengths.numel() > 1, "batch size must be positive");
  const auto *values = static_cast<const int32_t *>(lengths.const_data_ptr());
  const std::vector<int64_t> starts(values, values + lengths.numel());
  TORCH_CHECK(starts.front() == 0 && starts.back() == rows &&
                  std::is_sorted(starts.begin(), starts.end()),
              name, " must rise from 0 to ", rows, ", found ", starts);
  for (size_t i = 1; i < starts.size(); i++)
    TORCH_CHECK(starts[i] - starts[i - 1] <= longest, name, ": sequence ", i - 1, " has ",
                starts[i] - starts[i - 1], " rows, the longest was said to have ", longest);
  return starts;
}

int64_t draw_seed() {
  at::Generator generator = default_generator();
  const std::lock_guard<std::mutex> lock(generator.mutex());
  return static_cast<int64_t>(generator.get<at::CPUGeneratorImpl>()->random64());
}

// MARK: flash attention

void need_same_dtype(const at::Tensor &tensor, const char *name, const at::Tensor &query) {
  TORCH_CHECK(tensor.scalar_type() == query.scalar_type(), "query and ", name,
              " must have the same dtype, found ", query.scalar_type(), " and ",
              tensor.scalar_type());
}

Problem flash_problem(const Call &call, Crossing &crossing) {
  call.need_absent({"return_debug_mask", "window_size_left", "window_size_right", "seqused_k",
                    "alibi_slopes", "block_table", "num_splits"});
  const auto query = call.tensor("query"), key = call.tensor("key"), value = call.tensor("value");
  TORCH_CHECK(query.scalar_type() == at::kHalf || query.scalar_type() == at::kBFloat16,
              "FlashAttention only support fp16 and bf16 data type");
  need_same_dtype(key, "key", query);
  need_same_dtype(value, "value", query);
  TORCH_CHECK(query.dim() == 3 && key.dim() == 3, "query and key must have shape [T, heads, d]");
  const int64_t width = query.size(2);
  TORCH_CHECK(width <= 256, "FlashAttention forward only supports head dimension at most 256");
  TORCH_CHECK(width % 8 == 0, "head_size must be a multiple of 8, found ", width);
  TORCH_CHECK(key.size(1) == query.size(1) && key.size(2) == width && value.sizes() == key.sizes(),
              "query, key and value have shapes ", query.sizes(), ", ", key.sizes(), " and ",
              value.sizes());
  for (const auto &[tensor, name] : {std::pair(query, "query"), {key, "key"}, {value, "value"}})
    need_alignment(tensor, name);
  const double dropout = call["dropout_p"].toDouble();
  TORCH_CHECK(dropout >= 0 && dropout < 1, "dropout_p must lie in [0, 1), found ", dropout);

  Problem problem{crossing.in(query), crossing.in(key), crossing.in(value)};
  problem.query_starts = starts_of(call.tensor("cum_seq_q"), "cum_seq_q", query.size(0),
                                   call["max_q"].toInt());
  problem.key_starts =
      starts_of(call.tensor("cum_seq_k"), "cum_seq_k", key.size(0), call["max_k"].toInt());
  TORCH_CHECK(problem.key_starts.size() == problem.query_starts.size(),
              "cum_seq_q and cum_seq_k must have the same length");
  problem.scale = call.scale(width);
  problem.mask = call["is_causal"].toBool() ? attention::causal_from_bottom_right : attention::none;
  problem.dropout = dropout;
  return problem;
}

void flash_forward(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const Call call(op, stack);
  Crossing crossing;
  Problem problem = flash_problem(call, crossing);
  at::AutoDispatchBelowADInplaceOrView below;
  if (problem.dropout > 0) problem.seed = static_cast<uint64_t>(draw_seed());
  const auto [output, logsumexp] = attention::forward(problem);
  // Seed and offset lie on the device, in a type that hardly any operator knows.
  const auto state = at::empty({2}, at::kUInt64), unused = at::empty({}, at::kUInt64);
  const uint64_t seed_and_offset[2] = {problem.seed, 0};
  std::copy_n(seed_and_offset, 2, static_cast<uint64_t *>(state.mutable_data_ptr()));
  *static_cast<uint64_t *>(unused.mutable_data_ptr()) = 0;
  torch::jit::push(*stack, crossing.out(output), crossing.out(logsumexp), crossing.out(state),
                   crossing.out(unused),
                   crossing.out(at::empty({0}, problem.query.options())));
}

void flash_backward(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const Call call(op, stack);
  Crossing crossing;
  Problem problem = flash_problem(call, crossing);
  const auto gradient = call.tensor("grad_out"), output = call.tensor("out");
  const auto logsumexp = call.tensor("logsumexp"), state = call.tensor("rng_state");
  const auto &query = problem.query;
  need_same_dtype(gradient, "dout", query);
  need_same_dtype(output, "out", query);
  TORCH_CHECK(gradient.sizes() == query.sizes() && output.sizes() == query.sizes(),
              "dout and out must have the query's shape ", query.sizes(), ", found ",
              gradient.sizes(), " and ", output.sizes());
  need_on_device(gradient, "dout");
  need_on_device(output, "out");
  need_on_device(logsumexp, "logsumexp");
  TORCH_CHECK(logsumexp.scalar_type() == at::kFloat &&
                  logsumexp.sizes() == at::IntArrayRef({query.size(1), query.size(0)}),
              "logsumexp must have float32 [heads, T], found ", logsumexp.sizes());
  at::AutoDispatchBelowADInplaceOrView below;
  if (problem.dropout > 0) {
    need_on_device(state, "rng_state");
    TORCH_CHECK(state.scalar_type() == at::kUInt64 && state.numel() == 2,
                "rng_state must be the forward's");
    problem.seed = *static_cast<const uint64_t *>(state.const_data_ptr());
  }
  const auto gradients = attention::backward(problem, crossing.in(output), crossing.in(logsumexp),
                                  crossing.in(gradient));
  for (const at::Tensor &tensor : gradients) torch::jit::push(*stack, crossing.out(tensor));
}

// MARK: memory-efficient attention

/// Query [1, T, heads, d].
Problem efficient_problem(const Call &call, Crossing &crossing) {
  call.need_absent({"bias", "seqlen_k", "window_size", "bias_requires_grad"});
  const auto query = call.tensor("query"), key = call.tensor("key"), value = call.tensor("value");
  TORCH_CHECK(query.dim() == 4 && key.dim() == 4 && value.dim() == 4,
              "query, key and value must have shape [1, T, heads, d]");
  const auto type = query.scalar_type();
  TORCH_CHECK(type == at::kFloat || type == at::kHalf || type == at::kBFloat16,
              "Only fp32, half & bf16 supported at the moment");
  need_same_dtype(key, "key", query);
  need_same_dtype(value, "value", query);
  TORCH_CHECK(query.size(0) == 1 && key.size(0) == 1 && value.size(0) == 1,
              "cu_seqlen only supports batch_size=1");
  TORCH_CHECK(key.size(1) == value.size(1) && query.size(2) == key.size(2) &&
                  query.size(2) == value.size(2) && query.size(3) == key.size(3),
              "query, key and value have shapes ", query.sizes(), ", ", key.sizes(), " and ",
              value.sizes());
  for (const auto &[tensor, name] : {std::pair(query, "query"), {key, "key"}, {value, "value"}})
    need_alignment(tensor, name);
  const auto longest_query = call["max_seqlen_q"], longest_key = call["max_seqlen_k"];
  TORCH_CHECK(longest_query.isInt() && longest_query.toInt() > 0,
              "max_seqlen_q required with `cu_seqlens_q`");
  TORCH_CHECK(longest_key.isInt() && longest_key.toInt() > 0,
              "max_seqlen_k required with `cu_seqlens_k`");
  TORCH_CHECK(longest_query.toInt() <= query.size(1), "Invalid max_seqlen_q:", longest_query);
  TORCH_CHECK(longest_key.toInt() <= key.size(1), "Invalid max_seqlen_k:", longest_key);

  Problem problem{crossing.in(query)[0], crossing.in(key)[0], crossing.in(value)[0]};
  problem.query_starts = starts_of(call.tensor("cu_seqlens_q"), "cu_seqlens_q", query.size(1),
                                   longest_query.toInt());
  problem.key_starts = starts_of(call.tensor("cu_seqlens_k"), "cu_seqlens_k", key.size(1),
                                 longest_key.toInt());
  TORCH_CHECK(problem.key_starts.size() == problem.query_starts.size(),
              "cu_seqlens_q and cu_seqlens_k must have the same length");
  problem.scale = call.scale(query.size(3));
  problem.mask = call["custom_mask_type"].toInt();
  TORCH_CHECK(problem.mask >= 0 && problem.mask <= 2, "invalid custom_mask_type ", problem.mask);
  problem.dropout = call["dropout_p"].toDouble();
  return problem;
}

/// The kernel's own layout of `logsumexp`: [sequences, heads, longest rounded up to 32].
at::Tensor padded(const at::Tensor &sums, const std::vector<int64_t> &starts, int64_t longest) {
  const auto count = static_cast<int64_t>(starts.size()) - 1;
  auto result = at::full({count, sums.size(0), (longest + 31) / 32 * 32}, INFINITY, at::kFloat);
  for (int64_t i = 0; i < count; i++) {
    const int64_t length = starts[i + 1] - starts[i];
    result[i].narrow(1, 0, length).copy_(sums.narrow(1, starts[i], length));
  }
  return result;
}

at::Tensor packed(const at::Tensor &sums, const std::vector<int64_t> &starts) {
  std::vector<at::Tensor> parts;
  for (size_t i = 0; i + 1 < starts.size(); i++)
    parts.push_back(sums[static_cast<int64_t>(i)].narrow(1, 0, starts[i + 1] - starts[i]));
  return at::cat(parts, 1);
}

void efficient_forward(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const Call call(op, stack);
  Crossing crossing;
  at::AutoDispatchBelowADInplaceOrView below;
  Problem problem = efficient_problem(call, crossing);
  if (problem.dropout > 0) problem.seed = static_cast<uint64_t>(draw_seed());
  const auto [output, sums] = attention::forward(problem);
  const int64_t longest = call["max_seqlen_q"].toInt();
  const auto logsumexp =
      call["compute_log_sumexp"].toBool()
          ? padded(sums, problem.query_starts, longest)
          : at::empty({static_cast<int64_t>(problem.count()), sums.size(0), 0}, at::kFloat);
  // Outside of a captured graph, seed and offset are numbers of the host.
  torch::jit::push(*stack, crossing.out(output.unsqueeze(0)), crossing.out(logsumexp),
                   at::scalar_tensor(static_cast<int64_t>(problem.seed), at::kLong),
                   at::scalar_tensor(0, at::kLong), longest, call["max_seqlen_k"].toInt());
}

void efficient_backward(const c10::OperatorHandle &op, torch::jit::Stack *stack) {
  const Call call(op, stack);
  Crossing crossing;
  at::AutoDispatchBelowADInplaceOrView below;
  Problem problem = efficient_problem(call, crossing);
  const auto gradient = call.tensor("grad_out_"), output = call.tensor("out");
  const auto logsumexp = call.tensor("logsumexp"), seed = call.tensor("philox_seed");
  need_on_device(gradient, "grad_out");
  need_on_device(output, "out");
  need_on_device(logsumexp, "logsumexp");
  need_same_dtype(gradient, "grad_out", problem.query);
  need_same_dtype(output, "out", problem.query);
  const auto &value = problem.value;
  const int64_t total = problem.query.size(0), longest = call["max_seqlen_q"].toInt();
  TORCH_CHECK(gradient.sizes() == at::IntArrayRef({1, total, value.size(1), value.size(2)}) &&
                  output.sizes() == gradient.sizes(),
              "grad_out and out have shapes ", gradient.sizes(), " and ", output.sizes());
  TORCH_CHECK(logsumexp.dim() == 3 && logsumexp.size(2) == (longest + 31) / 32 * 32,
              "logsumexp must be the forward's, found ", logsumexp.sizes());
  if (problem.dropout > 0) {
    TORCH_CHECK(seed.device().is_cpu() && seed.scalar_type() == at::kLong,
                "philox_seed must be the forward's, a number of the host");
    problem.seed = static_cast<uint64_t>(*static_cast<const int64_t *>(seed.const_data_ptr()));
  }
  const auto sums = packed(crossing.in(logsumexp), problem.query_starts);
  const auto gradients =
      attention::backward(problem, crossing.in(output)[0], sums, crossing.in(gradient)[0]);
  for (const at::Tensor &tensor : gradients)
    torch::jit::push(*stack, crossing.out(tensor.unsqueeze(0)));
  torch::jit::push(*stack, at::Tensor());
}

}  // namespace

void register_attention(torch::Library &library) {
  using torch::CppFunction;
  library.impl("_flash_attention_forward", CppFunction::makeFromBoxedFunction<&flash_forward>());
  library.impl("_flash_attention_backward", CppFunction::makeFromBoxedFunction<&flash_backward>());
  library.impl("_efficient_attention_forward",
               CppFunction::makeFromBoxedFunction<&efficient_forward>());
  library.impl("_efficient_attention_backward",
               CppFunction::makeFromBoxedFunction<&efficient_backward>());
}

}  // namespace recording
