// Greedy non-maximum suppression: of boxes that overlap, the one with the highest score stays.
#include <ATen/ops/empty.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "edge.hpp"
#include "parallel.hpp"
#include "rows.hpp"

using edge::borrow;
using edge::give;
using edge::guard;

namespace {

/// A box's place among its like, ordered by score: higher first, equal ones as they came, numbers
/// that are none last.
uint64_t rank(float score, uint32_t place) {
  const uint32_t bits = std::bit_cast<uint32_t>(score);
  const uint32_t ascending = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  const uint32_t descending = std::isnan(score) ? 0xFFFFFFFFu : ~ascending;
  return uint64_t{descending} << 32 | place;
}

uint32_t place_of(uint64_t rank) { return static_cast<uint32_t>(rank); }

/// Boxes side by side, each coordinate a row, in the order of their scores.
struct Boxes {
  std::vector<float> x1, y1, x2, y2, area;
  std::vector<uint32_t> alive;

  void resize(size_t count) {
    for (auto *row : {&x1, &y1, &x2, &y2, &area}) row->resize(count);
    alive.assign(count, 1);
  }

  /// - margin: 1 where the last row and column belong to a box, else 0.
  void set(size_t i, const float *box, int64_t step, float margin) {
    x1[i] = box[0];
    y1[i] = box[step];
    x2[i] = box[2 * step] + margin;
    y2[i] = box[3 * step] + margin;
    area[i] = (x2[i] - x1[i]) * (y2[i] - y1[i]);
  }
};

/// `alive` is 0 for boxes from `first` on whose overlap with box i is larger than the threshold.
EDGE_VECTOR void strike(const float *x1, const float *y1, const float *x2, const float *y2,
                        const float *area, uint32_t *__restrict alive, int64_t i, int64_t first,
                        int64_t count, float threshold) {
  const float left = x1[i], top = y1[i], right = x2[i], bottom = y2[i], own = area[i];
  for (int64_t j = first; j < count; j++) {
    const float l = left > x1[j] ? left : x1[j], t = top > y1[j] ? top : y1[j];
    const float r = right < x2[j] ? right : x2[j], b = bottom < y2[j] ? bottom : y2[j];
    const float w = r - l > 0 ? r - l : 0, h = b - t > 0 ? b - t : 0;
    const float shared = w * h;
    // A plain comparison: no overlap at all of two empty boxes is 0 / 0, which is not larger.
    alive[j] &= shared / (own + area[j] - shared) > threshold ? 0u : 1u;
  }
}

/// Calls `keep(i)` for the places that stay, in order, at most `most` of them.
template <typename Keep>
void suppress(Boxes &boxes, float threshold, int64_t most, const Keep &keep) {
  const int64_t count = static_cast<int64_t>(boxes.alive.size());
  for (int64_t i = 0, kept = 0; i < count && kept < most; i++) {
    if (!boxes.alive[i]) continue;
    keep(i);
    kept++;
    strike(boxes.x1.data(), boxes.y1.data(), boxes.x2.data(), boxes.y2.data(), boxes.area.data(),
           boxes.alive.data(), i, i + 1, count, threshold);
  }
}

/// The largest float32 that is not above: a float32 is larger than the one if it is larger than the
/// other.
float at_most(double threshold) {
  const float near = static_cast<float>(threshold);
  return near > threshold ? std::nextafter(near, -std::numeric_limits<float>::infinity()) : near;
}

int64_t limit(int64_t most) { return most > 0 ? most : std::numeric_limits<int64_t>::max(); }

at::Tensor vector_of(const std::vector<int64_t> &values) {
  at::Tensor result = at::empty({static_cast<int64_t>(values.size())}, at::kLong);
  std::copy(values.begin(), values.end(), result.mutable_data_ptr<int64_t>());
  return result;
}

/// The places of the boxes that stay, groups one after another, each by falling score.
std::vector<int64_t> kept_of(const at::Tensor &boxes, const at::Tensor &scores,
                             const at::Tensor &groups, float threshold, float margin) {
  const int64_t count = boxes.size(0);
  const float *box = edge::read<float>(boxes), *score = edge::read<float>(scores);
  const int64_t *group = groups.defined() ? edge::read<int64_t>(groups) : nullptr;
  std::vector<uint64_t> order(count);
  for (int64_t i = 0; i < count; i++) order[i] = rank(score[i], static_cast<uint32_t>(i));
  std::sort(order.begin(), order.end());
  if (group)
    std::stable_sort(order.begin(), order.end(), [&](uint64_t a, uint64_t b) {
      return group[place_of(a)] < group[place_of(b)];
    });
  std::vector<int64_t> kept;
  Boxes own;
  for (int64_t first = 0; first < count;) {
    int64_t end = group ? first + 1 : count;
    while (end < count && group[place_of(order[end])] == group[place_of(order[first])]) end++;
    own.resize(end - first);
    for (int64_t i = first; i < end; i++)
      own.set(i - first, box + 4 * place_of(order[i]), 1, margin);
    suppress(own, threshold, limit(0),
             [&](int64_t i) { kept.push_back(place_of(order[first + i])); });
    first = end;
  }
  return kept;
}

/// Scores [C, K] and boxes [C, K, 4], wherever their numbers lie.
struct Classes {
  at::Tensor boxes, scores;
  float score, overlap, margin;
  int64_t most;

  /// Classes whose scores are read together: neighbours share a cache line where a box's scores lie
  /// side by side.
  static constexpr int64_t kTogether = 64;

  /// Writes the places that stay of classes begin..<end, by falling score.
  void run(int64_t begin, int64_t end, std::vector<std::vector<int64_t>> &kept) const {
    std::vector<std::vector<uint64_t>> above(kTogether);
    Boxes own;
    const float *box = edge::read<float>(boxes);
    for (int64_t first = begin; first < end; first += kTogether) {
      const int64_t count = std::min(kTogether, end - first);
      find(first, count, above);
      for (int64_t c = 0; c < count; c++) {
        auto &order = above[c];
        std::sort(order.begin(), order.end());
        own.resize(order.size());
        const float *start = box + (first + c) * boxes.stride(0);
        for (size_t i = 0; i < order.size(); i++)
          own.set(i, start + place_of(order[i]) * boxes.stride(1), boxes.stride(2), margin);
        suppress(own, overlap, limit(most),
                 [&](int64_t i) { kept[first + c].push_back(place_of(order[i])); });
      }
    }
  }

 private:
  /// The boxes of each class whose score is above the threshold.
  void find(int64_t first, int64_t count, std::vector<std::vector<uint64_t>> &above) const {
    for (auto &list : above) list.clear();
    const int64_t boxes = scores.size(1), by_class = scores.stride(0), by_box = scores.stride(1);
    const float *start = edge::read<float>(scores) + first * by_class;
    const auto look = [&](int64_t c, int64_t k) {
      const float value = start[c * by_class + k * by_box];
      if (value > score) above[c].push_back(rank(value, static_cast<uint32_t>(k)));
    };
    if (by_class < by_box) {
      for (int64_t k = 0; k < boxes; k++)
        for (int64_t c = 0; c < count; c++) look(c, k);
    } else {
      for (int64_t c = 0; c < count; c++)
        for (int64_t k = 0; k < boxes; k++) look(c, k);
    }
  }
};

void check_threshold(double overlap, intptr_t count) {
  TORCH_CHECK(overlap >= 0 && overlap <= 1, "the overlap must be in 0...1, found ", overlap);
  TORCH_CHECK(count < std::numeric_limits<uint32_t>::max(), "too many boxes: ", count);
}

}  // namespace

CTorchStatus ctorch_suppress(
    CTorchTensor boxes, CTorchTensor scores, CTorchTensor groups, double overlap, bool inclusive,
    CTorchTensor *result) {
  return guard([&] {
    const auto all = borrow(boxes).contiguous(), values = borrow(scores).contiguous();
    auto group = borrow(groups);
    if (group.defined()) group = group.contiguous();
    edge::need_cpu({all, values, group});
    TORCH_CHECK(all.dim() == 2 && all.size(1) == 4 && all.scalar_type() == at::kFloat,
                "boxes must be float32 [K, 4], found ", all.scalar_type(), " ", all.sizes());
    TORCH_CHECK(values.dim() == 1 && values.size(0) == all.size(0) &&
                    values.scalar_type() == at::kFloat,
                "scores must be float32 [", all.size(0), "], found ", values.scalar_type(), " ",
                values.sizes());
    TORCH_CHECK(!group.defined() || (group.dim() == 1 && group.size(0) == all.size(0) &&
                                     group.scalar_type() == at::kLong),
                "groups must be int64 [", all.size(0), "]");
    check_threshold(overlap, all.size(0));
    *result = give(vector_of(
        kept_of(all, values, group, at_most(overlap), inclusive ? 1.0f : 0.0f)));
  });
}

CTorchStatus ctorch_suppress_classes(
    CTorchTensor boxes, CTorchTensor scores, double score, double overlap, intptr_t most,
    bool inclusive, CTorchTensor *classes, CTorchTensor *places) {
  return guard([&] {
    const auto all = borrow(boxes).detach(), values = borrow(scores).detach();
    edge::need_cpu({all, values});
    TORCH_CHECK(all.dim() == 3 && all.size(2) == 4 && all.scalar_type() == at::kFloat,
                "boxes must be float32 [C, K, 4], found ", all.scalar_type(), " ", all.sizes());
    TORCH_CHECK(values.dim() == 2 && values.size(0) == all.size(0) &&
                    values.size(1) == all.size(1) && values.scalar_type() == at::kFloat,
                "scores must be float32 [", all.size(0), ", ", all.size(1), "], found ",
                values.scalar_type(), " ", values.sizes());
    check_threshold(overlap, all.size(1));
    const int64_t count = all.size(0);
    std::vector<std::vector<int64_t>> kept(count);
    const Classes work{all, values, at_most(score), at_most(overlap), inclusive ? 1.0f : 0.0f,
                       most};
    edge::parallel(count, 1, [&](int64_t begin, int64_t end) { work.run(begin, end, kept); });
    std::vector<int64_t> owner, place;
    for (int64_t c = 0; c < count; c++)
      for (const int64_t k : kept[c]) {
        owner.push_back(c);
        place.push_back(k);
      }
    *classes = give(vector_of(owner));
    *places = give(vector_of(place));
  });
}
