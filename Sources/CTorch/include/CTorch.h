// The edge between Swift and libtorch: a small C interface to its dispatcher and autograd engine.
//
// Rules of this header: every function that can fail returns a status and leaves a message for the
// calling thread; nothing throws, nothing ends the process; a tensor handle that is returned is
// owned by the caller and given back once with `ctorch_tensor_free`.
#pragma once
#include <stdbool.h>
#include <stdint.h>
#pragma clang assume_nonnull begin
#ifdef __cplusplus
extern "C" {
#endif

typedef enum __attribute__((enum_extensibility(closed))) {
  CTorchStatusOK = 0,
  CTorchStatusInvalid = 1,
  CTorchStatusOutOfMemory = 2,
  CTorchStatusInternal = 3,
} CTorchStatus;

typedef struct {
  void *_Nullable pointer;
} CTorchTensor;

typedef struct {
  const void *_Nullable pointer;
} CTorchOperator;

/// Numbers on their way from a device; given back once with `ctorch_readout_free`.
typedef struct {
  void *_Nullable pointer;
} CTorchReadout;

/// What a `CTorchValue` holds. Lists lie in the call's shared `integers` buffer, from `integer`
/// on, `count` of them; tensors in a list are their handles, 0 for an absent one.
typedef enum __attribute__((enum_extensibility(closed))) {
  CTorchKindNone = 0,
  CTorchKindTensor,
  CTorchKindInteger,
  CTorchKindReal,
  CTorchKindBoolean,
  CTorchKindIntegers,
  CTorchKindBooleans,
  CTorchKindTensors,
  CTorchKindOptionalTensors,
  CTorchKindString,
  CTorchKindDevice,
} CTorchKind;

typedef struct {
  CTorchKind kind;
  intptr_t integer;
  intptr_t count;
  double real;
  const void *_Nullable pointer;
} CTorchValue;

/// The message of this thread's last failure; valid until its next one.
const char *ctorch_last_message(void);
/// Leaves a message for a callback that fails (see `ctorch_recompute`).
void ctorch_set_message(const char *message);

// MARK: operators

CTorchStatus ctorch_operator_find(const char *name, const char *overload, CTorchOperator *result);
/// Writes the operator's schema, cut to `capacity - 1` bytes and ended by 0.
CTorchStatus ctorch_operator_schema(CTorchOperator op, char *buffer, intptr_t capacity);
/// Calls boxed. Missing trailing arguments take the schema's defaults. Tensors among the results
/// (lists flattened) go to `results`; an undefined one is a null handle.
CTorchStatus ctorch_operator_call(
    CTorchOperator op, const CTorchValue *_Nullable arguments, intptr_t count,
    const intptr_t *_Nullable integers, CTorchTensor *results, intptr_t capacity,
    intptr_t *result_count);

// MARK: tensors

void ctorch_tensor_free(CTorchTensor tensor);
/// A second owner of the same tensor.
CTorchTensor ctorch_tensor_retain(CTorchTensor tensor);
CTorchStatus ctorch_tensor_from_bytes(
    const void *_Nullable bytes, const intptr_t *_Nullable shape, intptr_t rank, int32_t dtype,
    CTorchTensor *result);
/// A tensor over memory it does not own; `release(context)` is called when the last view is gone.
CTorchStatus ctorch_tensor_over_memory(
    void *memory, const intptr_t *_Nullable shape, intptr_t rank, int32_t dtype, void *context,
    void (*release)(void *context), CTorchTensor *result);
/// Copies the elements out in row-major order; `byte_count` must be exactly what they take.
CTorchStatus ctorch_tensor_to_bytes(CTorchTensor tensor, void *bytes, intptr_t byte_count);
intptr_t ctorch_tensor_rank(CTorchTensor tensor);
intptr_t ctorch_tensor_size(CTorchTensor tensor, intptr_t dimension);
int32_t ctorch_tensor_dtype(CTorchTensor tensor);
int32_t ctorch_tensor_device_type(CTorchTensor tensor);
int32_t ctorch_tensor_device_index(CTorchTensor tensor);
bool ctorch_tensor_is_contiguous(CTorchTensor tensor);
/// The address of the first element, null on another device.
void *_Nullable ctorch_tensor_data(CTorchTensor tensor);

// MARK: autograd

CTorchStatus ctorch_tensor_set_requires_grad(CTorchTensor tensor, bool value);
bool ctorch_tensor_requires_grad(CTorchTensor tensor);
/// Null handle when there is no gradient.
CTorchStatus ctorch_tensor_grad(CTorchTensor tensor, CTorchTensor *result);
CTorchStatus ctorch_tensor_set_grad(CTorchTensor tensor, CTorchTensor grad);
CTorchStatus ctorch_backward(
    const CTorchTensor *roots, const CTorchTensor *gradients, intptr_t count);
CTorchStatus ctorch_gradients(
    CTorchTensor root, const CTorchTensor *inputs, intptr_t count, CTorchTensor *results);
bool ctorch_grad_mode(void);
void ctorch_set_grad_mode(bool enabled);

/// Runs `body(context, input, &output)` without recording, and again with recording when the
/// gradient comes back. `release(context)` is called once the graph is gone.
typedef CTorchStatus (*CTorchBody)(void *context, CTorchTensor input, CTorchTensor *output);
CTorchStatus ctorch_recompute(
    CTorchTensor input, void *context, CTorchBody body, void (*release)(void *context),
    CTorchTensor *result);

// MARK: the hot path, as autograd functions of our own

/// y = x wᵀ + b. A kernel for each product, forward, gradient of x and gradient of w: 0 libtorch's
/// BLAS, 1 oneDNN, 2 oneDNN for the transposed product; forward also 3, oneDNN over a weight that
/// `ctorch_linear_prepack` made.
CTorchStatus ctorch_linear(
    CTorchTensor x, CTorchTensor weight, CTorchTensor bias, int32_t forward,
    int32_t input_gradient, int32_t weight_gradient, CTorchTensor *result);

/// GELU(x wᵀ + b) by oneDNN in one call, for inference: it has no gradient.
CTorchStatus ctorch_linear_gelu(
    CTorchTensor x, CTorchTensor weight, CTorchTensor bias, CTorchTensor *result);

/// A weight [out, in] laid out for oneDNN's forward product of about `rows` rows. Only
/// `ctorch_linear` with kernel 3 and `ctorch_linear_gelu` take it.
CTorchStatus ctorch_linear_prepack(CTorchTensor weight, intptr_t rows, CTorchTensor *result);

/// Inverted dropout whose bits are a function of (seed, row key, column) alone; on another device
/// than the processor, of the seed and the place in the tensor.
CTorchStatus ctorch_row_dropout(
    CTorchTensor x, CTorchTensor row_keys, double probability, uint64_t seed, CTorchTensor *result);

/// `sum` = x + dropout(branch) and `normed` = layer norm of it in `dtype`, in one pass. x is float32
/// [T, D]. A null branch: the norm of x alone, no sum. A null weight: the sum alone, no norm.
CTorchStatus ctorch_residual_norm(
    CTorchTensor x, CTorchTensor branch, CTorchTensor row_keys, double probability, uint64_t seed,
    CTorchTensor weight, CTorchTensor bias, double epsilon, int32_t dtype, CTorchTensor *sum,
    CTorchTensor *normed);

/// dropout(GELU(x)) over rows [T, D] in one pass; `row_keys` may be null without dropout.
CTorchStatus ctorch_gelu_dropout(
    CTorchTensor x, CTorchTensor row_keys, double probability, uint64_t seed, CTorchTensor *result);

/// Attention over packed rows. `query` is [T, heads·d]; with null `key` and `value` it is the
/// fused [T, 3·heads·d]. `spans` holds 5 numbers a span: first query row, query rows, first key
/// row, key rows, causal (0 or 1; aligned at the last row and the last key).
CTorchStatus ctorch_packed_attention(
    CTorchTensor query, CTorchTensor key, CTorchTensor value, intptr_t heads,
    const intptr_t *spans, intptr_t span_count, CTorchTensor row_keys, double dropout,
    uint64_t seed, CTorchTensor *result);

/// Attention between sequences laid end to end, on a device of its own: sequence i reads query rows
/// `query_starts[i]` to `query_starts[i + 1]` and key rows likewise (int32, on the device). Rows are
/// [T, heads·d]; causal is aligned at the last row and the last key. Dropout draws from libtorch's
/// generator of the device, seeded with `seed`.
CTorchStatus ctorch_varlen_attention(
    CTorchTensor query, CTorchTensor key, CTorchTensor value, intptr_t heads,
    CTorchTensor query_starts, CTorchTensor key_starts, intptr_t most_queries, intptr_t most_keys,
    bool causal, double dropout, uint64_t seed, CTorchTensor *result);

/// The sum of −log softmax(x wᵀ + b)[label] over rows x [N, D], and in how many rows the label has
/// the largest logit; both float32 scalars. Logits are made for some rows at a time and never kept:
/// gradients are computed on the way. `kernel` serves the products as in `ctorch_linear`.
CTorchStatus ctorch_vocabulary_loss(
    CTorchTensor x, CTorchTensor weight, CTorchTensor bias, CTorchTensor labels, int32_t forward,
    int32_t input_gradient, int32_t weight_gradient, intptr_t rows_at_a_time, CTorchTensor *sum,
    CTorchTensor *right);

/// rectifier(conv(picture [N, C, H, W], kernel [out, C / groups, h, w]) + bias [out] + residual), bias
/// and residual null for none. `padding` is rows and columns of zeros at the top, left, bottom and
/// right. `rectifier`: 0 none, 1 max(x, 0), 2 min(max(x, 0), 6). On the processor the result lies
/// channels last.
CTorchStatus ctorch_convolution(
    CTorchTensor picture, CTorchTensor kernel, CTorchTensor bias, CTorchTensor residual,
    intptr_t stride, intptr_t dilation, intptr_t groups, const intptr_t *padding, int32_t rectifier,
    CTorchTensor *result);

// MARK: boxes in pictures

/// Features [K, C, height, width], float32, of boxes [K, 5] (picture, x1, y1, x2, y2) in `features`
/// [N, C, H, W], float32 or bfloat16. `scale` takes boxes to pixels of the features; `sampling` is
/// the number of samples a side of a bin, 0 for one a pixel; `aligned` moves boxes by half a pixel.
/// The result's channels lie as those of the features do.
CTorchStatus ctorch_roi_align(
    CTorchTensor features, CTorchTensor boxes, double scale, intptr_t height, intptr_t width,
    intptr_t sampling, bool aligned, CTorchTensor *result);

/// Places (int64) of the boxes [K, 4] that stay: of two that share more than `overlap` of their
/// union, the one with the higher score. Boxes of different `groups` (int64 [K], null for one group)
/// do not touch each other; the result names group after group, each by falling score. `inclusive`
/// counts a box's last row and column as its own.
CTorchStatus ctorch_suppress(
    CTorchTensor boxes, CTorchTensor scores, CTorchTensor groups, double overlap, bool inclusive,
    CTorchTensor *result);

/// The same for each class of boxes [C, K, 4] and scores [C, K], of any strides, among boxes whose
/// score is above `score`; at most `most` a class, 0 for no limit. Class after class, each by falling
/// score.
CTorchStatus ctorch_suppress_classes(
    CTorchTensor boxes, CTorchTensor scores, double score, double overlap, intptr_t most,
    bool inclusive, CTorchTensor *classes, CTorchTensor *places);

// MARK: from the device

/// Asks for a copy of float32 numbers without waiting for the device.
CTorchStatus ctorch_readout_start(CTorchTensor values, CTorchReadout *result);
/// Waits for them.
CTorchStatus ctorch_readout_wait(CTorchReadout readout, float *values, intptr_t count);
void ctorch_readout_free(CTorchReadout readout);

// MARK: the process

/// Threads inside an operator; also makes memory for tensors be kept instead of given back to the
/// system after every step. Call once, before the first operator.
CTorchStatus ctorch_configure(int32_t threads);
/// Memory of tensors of 64 KiB and more: segments that were mapped, their bytes, and how many of
/// them lie in tensors now.
typedef struct {
  intptr_t segments;
  intptr_t held;
  intptr_t used;
  /// The most of `used` since `ctorch_memory_restart`.
  intptr_t most;
} CTorchMemory;
void ctorch_memory_restart(void);
CTorchStatus ctorch_memory(CTorchMemory *memory);
/// From here on counts the multiplications and additions of this thread's matrix products.
CTorchStatus ctorch_count_operations(void);
/// Ends the count; how many there were.
double ctorch_counted_operations(void);
int32_t ctorch_thread_count(void);
const char *ctorch_version(void);
/// What libtorch's kernels were chosen for, for example "AVX512".
const char *ctorch_cpu_capability(void);
/// Waits until a device has done all that it was asked for; nothing to wait for on the processor.
CTorchStatus ctorch_device_wait(int32_t device_type, int32_t device_index);
/// The most bytes in tensors on a GPU since the start of the process, and the most that libtorch
/// took from it; both 0 on the processor.
CTorchStatus ctorch_device_peak(
    int32_t device_type, int32_t device_index, intptr_t *used, intptr_t *held);
/// Loads libtorch_cuda when it lies beside libtorch; false when there is none or no GPU.
bool ctorch_cuda_available(void);

#ifdef __cplusplus
}
#endif
#pragma clang assume_nonnull end
